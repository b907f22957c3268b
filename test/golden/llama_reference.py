#!/usr/bin/env python3
# Golden logits of small random decoders, in double precision, written after the published formulas and independent of
# Lathe's code (one head and one position at a time, no batching). Needs numpy only.
#   python3 test/golden/llama_reference.py            writes test/golden/llama_<case>.json
# Weights come from a formula that the test repeats (weight() below), so no weights are stored. Every value is a multiple
# of a power of two with at most eight significant bits: exact in bfloat16, float16, float32 and float64 alike.
import json, math, os
import numpy as np


def weight(name, shape):
    state = 2166136261
    for byte in name.encode():                       # FNV-1a
        state = ((state ^ byte) * 16777619) % 2**32
    steps = np.empty(math.prod(shape))
    for i in range(len(steps)):                      # linear congruential generator, upper eight bits
        state = (1664525 * state + 1013904223) % 2**32
        steps[i] = (state >> 24) - 128
    if 'norm' in name or 'ln_' in name: steps = 1 + np.floor(steps / 16) / 16
    else: steps = steps / 512
    return steps.reshape(shape)


# --- frequencies of the rotary embedding, w[i] for pair i, and the factor on cos and sin ---
def frequencies(config, tokens):
    d = config.get('head_dim') or config['hidden_size'] // config['num_attention_heads']
    rope = config.get('rope_parameters') or config.get('rope_scaling') or {}
    theta = rope.get('rope_theta', config.get('rope_theta', 10000.0))
    kind = rope.get('rope_type', rope.get('type', 'default'))
    longest = config['max_position_embeddings']
    w = [theta ** (-2 * i / d) for i in range(d // 2)]
    if kind == 'default': return w, 1.0
    if kind == 'linear': return [x / rope['factor'] for x in w], 1.0
    if kind == 'dynamic':
        s = rope['factor']
        grown = theta * (s * max(tokens, longest) / longest - (s - 1)) ** (d / (d - 2))
        return [grown ** (-2 * i / d) for i in range(d // 2)], 1.0
    if kind == 'llama3':
        s, low, high, L = rope['factor'], rope['low_freq_factor'], rope['high_freq_factor'], rope['original_max_position_embeddings']
        out = []
        for x in w:
            wavelength = 2 * math.pi / x
            if wavelength < L / high: out.append(x)
            elif wavelength > L / low: out.append(x / s)
            else:
                smooth = (L / wavelength - low) / (high - low)
                out.append((1 - smooth) * x / s + smooth * x)
        return out, 1.0
    if kind == 'yarn':
        L = rope.get('original_max_position_embeddings', longest)
        s = rope.get('factor', longest / L)
        dimension = lambda turns: d * math.log(L / (turns * 2 * math.pi)) / (2 * math.log(theta))
        low, high = dimension(rope.get('beta_fast', 32)), dimension(rope.get('beta_slow', 1))
        if rope.get('truncate', True): low, high = math.floor(low), math.ceil(high)
        low, high = max(low, 0), min(high, d - 1)
        if low == high: high += 0.001
        ramp = [min(max((i - low) / (high - low), 0), 1) for i in range(d // 2)]
        out = [(x / s) * r + x * (1 - r) for x, r in zip(w, ramp)]
        scale = lambda m: 0.1 * m * math.log(s) + 1 if s > 1 else 1.0
        m, m_all = rope.get('mscale', 0), rope.get('mscale_all_dim', 0)
        return out, rope.get('attention_factor', scale(m) / scale(m_all) if m and m_all else scale(1))
    if kind == 'longrope':
        L = rope.get('original_max_position_embeddings', longest)
        s = longest / L
        factors = rope['long_factor'] if tokens > L else rope['short_factor']
        return [x / f for x, f in zip(w, factors)], math.sqrt(1 + math.log(s) / math.log(L)) if s > 1 else 1.0
    raise ValueError(kind)


def rotate(x, position, w, factor):                  # pair i is (x[i], x[i + d/2])
    half = len(x) // 2
    out = np.empty_like(x)
    for i in range(half):
        c, s = math.cos(position * w[i]) * factor, math.sin(position * w[i]) * factor
        out[i] = x[i] * c - x[i + half] * s
        out[i + half] = x[i + half] * c + x[i] * s
    return out


def norm(x, gain, eps): return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * gain


def windows(config):
    n, kind = config['num_hidden_layers'], config['model_type']
    if 'layer_types' in config: return [config['sliding_window'] if t == 'sliding_attention' else None for t in config['layer_types']]
    if kind == 'mistral': return [config.get('sliding_window')] * n
    if kind == 'qwen2' and config.get('use_sliding_window'):
        return [config['sliding_window'] if i >= config['max_window_layers'] else None for i in range(n)]
    return [None] * n


def run(config, ids):
    V, W, F = config['vocab_size'], config['hidden_size'], config['intermediate_size']
    H, K = config['num_attention_heads'], config['num_key_value_heads']
    d = config.get('head_dim') or W // H
    eps, kind = config['rms_norm_eps'], config['model_type']
    qkv_bias = kind == 'qwen2' or (kind == 'llama' and config.get('attention_bias', False))
    o_bias = kind == 'llama' and config.get('attention_bias', False)
    mlp_bias = kind == 'llama' and config.get('mlp_bias', False)
    tensors = {}
    def get(name, shape):
        tensors[name] = shape
        return weight(name, shape)
    def linear(x, name, rows, cols, bias):
        y = x @ get(name + '.weight', (rows, cols)).T
        return y + get(name + '.bias', (rows,)) if bias else y
    T = len(ids)
    w, factor = frequencies(config, T)
    embedding = get('model.embed_tokens.weight', (V, W))
    h = embedding[np.array(ids)]
    for layer, window in enumerate(windows(config)):
        p = f'model.layers.{layer}.'
        x = norm(h, get(p + 'input_layernorm.weight', (W,)), eps)
        q = linear(x, p + 'self_attn.q_proj', H * d, W, qkv_bias)
        k = linear(x, p + 'self_attn.k_proj', K * d, W, qkv_bias)
        v = linear(x, p + 'self_attn.v_proj', K * d, W, qkv_bias)
        mixed = np.zeros((T, H * d))
        for head in range(H):
            key = head // (H // K)                   # consecutive query heads share a key head
            a = slice(head * d, head * d + d)
            b = slice(key * d, key * d + d)
            for i in range(T):
                first = 0 if window is None else max(0, i - window + 1)
                qi = rotate(q[i, a], i, w, factor)
                scores = np.array([qi @ rotate(k[j, b], j, w, factor) / math.sqrt(d) for j in range(first, i + 1)])
                e = np.exp(scores - scores.max())
                mixed[i, a] = (e / e.sum()) @ v[first:i + 1, b]
        h = h + linear(mixed, p + 'self_attn.o_proj', W, H * d, o_bias)
        x = norm(h, get(p + 'post_attention_layernorm.weight', (W,)), eps)
        gate = linear(x, p + 'mlp.gate_proj', F, W, mlp_bias)
        act = np.maximum(gate, 0) if config.get('hidden_act') == 'relu' else gate / (1 + np.exp(-gate))
        h = h + linear(act * linear(x, p + 'mlp.up_proj', F, W, mlp_bias), p + 'mlp.down_proj', W, F, mlp_bias)
    h = norm(h, get('model.norm.weight', (W,)), eps)
    head = embedding if config.get('tie_word_embeddings') else get('lm_head.weight', (V, W))
    return h @ head.T, tensors


BASE = dict(architectures=['LlamaForCausalLM'], model_type='llama', vocab_size=40, hidden_size=32, intermediate_size=44,
            num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, hidden_act='silu', rms_norm_eps=1e-5,
            max_position_embeddings=64, rope_theta=10000.0, tie_word_embeddings=False, bos_token_id=1)
MISTRAL = dict(BASE, architectures=['MistralForCausalLM'], model_type='mistral')
QWEN2 = dict(BASE, architectures=['Qwen2ForCausalLM'], model_type='qwen2', rms_norm_eps=1e-6, rope_theta=1000000.0)
NEWER = {k: v for k, v in BASE.items() if k != 'rope_theta'}
CASES = {                                            # name: config, type of the stored weights, tokens of a window
    'plain': (BASE, 'F32', 12),
    'biases_tied_head_dim': (dict(BASE, attention_bias=True, mlp_bias=True, tie_word_embeddings=True, head_dim=16), 'F16', 10),
    'relu_deep': (dict(BASE, hidden_act='relu', num_hidden_layers=5, num_key_value_heads=4), 'F64', 8),
    'linear': (dict(BASE, num_key_value_heads=4, rope_scaling=dict(type='linear', factor=4.0)), 'BF16', 14),
    'dynamic_short': (dict(BASE, rope_scaling=dict(type='dynamic', factor=2.0)), 'BF16', 10),
    'dynamic_long': (dict(BASE, max_position_embeddings=8, rope_scaling=dict(type='dynamic', factor=2.0)), 'BF16', 20),
    'llama3': (dict(BASE, head_dim=16, rope_scaling=dict(rope_type='llama3', factor=8.0, low_freq_factor=1.0,
               high_freq_factor=4.0, original_max_position_embeddings=32)), 'BF16', 24),
    'yarn': (dict(NEWER, head_dim=16, rope_parameters=dict(rope_type='yarn', rope_theta=10000.0, factor=4.0,
             original_max_position_embeddings=16)), 'F16', 24),
    'yarn_mscale': (dict(BASE, head_dim=16, rope_scaling=dict(type='yarn', factor=8.0, beta_fast=4, beta_slow=0.5, mscale=0.7,
                    mscale_all_dim=1.2, truncate=False, original_max_position_embeddings=16)), 'F16', 24),
    'longrope_short': (dict(BASE, rope_scaling=dict(rope_type='longrope', short_factor=[1.0, 1.25, 1.5, 2.0],
                       long_factor=[1.0, 2.0, 4.0, 8.0], original_max_position_embeddings=16)), 'F32', 12),
    'longrope_long': (dict(BASE, rope_scaling=dict(rope_type='longrope', short_factor=[1.0, 1.25, 1.5, 2.0],
                      long_factor=[1.0, 2.0, 4.0, 8.0], original_max_position_embeddings=16)), 'F32', 20),
    'mistral_window': (dict(MISTRAL, sliding_window=5), 'BF16', 16),
    'mistral_full': (dict(MISTRAL, sliding_window=None), 'F32', 9),
    'qwen2_one_key': (dict(QWEN2, num_key_value_heads=1, tie_word_embeddings=True, use_sliding_window=False, sliding_window=4,
                      max_window_layers=0), 'BF16', 12),
    'qwen2_window': (dict(QWEN2, use_sliding_window=True, sliding_window=4, max_window_layers=1), 'F16', 12),
    'qwen2_layer_types': (dict(QWEN2, use_sliding_window=True, sliding_window=4,
                          layer_types=['sliding_attention', 'full_attention']), 'F16', 12),
}


def write(prefix, name, command, config, dtype, tokens, run):
    folder = os.path.dirname(os.path.abspath(__file__))
    vocabulary = (config.get('text_config') or config)['vocab_size']
    ids = [[(7 * i * i + 5 * i + 3 + 11 * row) % vocabulary for i in range(tokens)] for row in range(2)]
    results = [run(config, row) for row in ids]
    tensors = {k: list(v) for k, v in results[0][1].items()}
    logits = [[float('%.6f' % x) for x in result[0].ravel()] for result in results]
    with open(os.path.join(folder, f'{prefix}_{name}.json'), 'w') as f:
        config = {k: v for k, v in config.items() if k != '_root'}   # where the tensors lie is for us to know
        json.dump(dict(command=command, config=config, dtype=dtype, tensors=tensors, ids=ids, logits=logits), f, separators=(',', ':'))
        f.write('\n')
    print(f'{name:24s} logits {min(map(min, logits)):8.3f} .. {max(map(max, logits)):8.3f}')


if __name__ == '__main__':
    for name, (config, dtype, tokens) in CASES.items():
        write('llama', name, 'python3 test/golden/llama_reference.py', config, dtype, tokens, run)

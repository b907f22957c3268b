#!/usr/bin/env python3
# Golden logits of small random decoders of other families, in double precision, written after the papers and the published
# PyTorch models, independent of Lathe's code: one head, one position and one expert at a time. Needs numpy only.
#   python3 test/golden/families_reference.py            writes test/golden/family_<case>.json
# Weights come from the formula in llama_reference.py.
import math
import numpy as np
from llama_reference import frequencies, rotate, weight, write


class Tensors:
    """Gives weights and notes which ones were asked for."""
    def __init__(self): self.shapes = {}
    def get(self, name, *shape):
        self.shapes[name] = shape
        return weight(name, shape)
    def linear(self, x, name, outputs, bias):        # PyTorch Linear: weight [out, in]
        y = x @ self.get(name + '.weight', outputs, x.shape[-1]).T
        return y + self.get(name + '.bias', outputs) if bias else y
    def conv1d(self, x, name, outputs):              # GPT-2's Conv1D: weight [in, out]
        return x @ self.get(name + '.weight', x.shape[-1], outputs) + self.get(name + '.bias', outputs)
    def layer_norm(self, x, name, eps=1e-5):
        centred = x - x.mean(-1, keepdims=True)
        unit = centred / np.sqrt((centred ** 2).mean(-1, keepdims=True) + eps)
        return unit * self.get(name + '.weight', x.shape[-1]) + self.get(name + '.bias', x.shape[-1])
    def rms(self, x, name, eps, plus=0.0):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * (plus + self.get(name + '.weight', x.shape[-1]))


erf = np.vectorize(math.erf)
ACT = {
    'relu': lambda x: np.maximum(x, 0),
    'silu': lambda x: x / (1 + np.exp(-x)),
    'gelu': lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))),
    'gelu_new': lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3))),
}
ACT['gelu_pytorch_tanh'] = ACT['gelu_fast'] = ACT['gelu_new']


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def turn(x, position, w, factor):                    # only the first 2 len(w) features turn
    n = 2 * len(w)
    return np.concatenate([rotate(x[:n], position, w, factor), x[n:]])


def attention(q, k, v, scale, window=None, cap=None, rope=None):
    """q [T][heads][d], k and v [T][key heads][d] -> [T, heads * d]"""
    T, H, d = q.shape
    group = H // k.shape[1]
    out = np.zeros((T, H * d))
    for h in range(H):
        for i in range(T):
            first = 0 if window is None else max(0, i - window + 1)
            qi = turn(q[i, h], i, *rope) if rope else q[i, h]
            s = []
            for j in range(first, i + 1):
                kj = turn(k[j, h // group], j, *rope) if rope else k[j, h // group]
                s.append(qi @ kj * scale)
            s = np.array(s)
            if cap: s = cap * np.tanh(s / cap)
            out[i, h * d:h * d + d] = softmax(s) @ v[first:i + 1, h // group]
    return out


def heads(x, count): return x.reshape(len(x), count, -1)
def experts_of(x, count, top, normalise, router, expert):
    out = np.zeros_like(x)
    for t in range(len(x)):
        p = softmax(router[t])
        best = np.argsort(-p, kind='stable')[:top]
        share = p[best] / p[best].sum() if normalise else p[best]
        for s, e in zip(share, best): out[t] += s * expert(x[t:t + 1], e)[0]
    for e in range(count): expert(x[:1], e)          # so that every expert's tensors are listed
    return out


def size_of_head(c): return c.get('head_dim') or c['hidden_size'] // c['num_attention_heads']


def rotation(c, T, **changes):                       # frequencies() reads head_dim: what turns may be less than a head
    return frequencies(dict(c, **changes), T)


def qwen(c, ids):
    t, T, W = Tensors(), len(ids), c['hidden_size']
    H, K, d, eps, kind = c['num_attention_heads'], c['num_key_value_heads'], size_of_head(c), c['rms_norm_eps'], c['model_type']
    three, four = kind in ('qwen3', 'qwen3_moe'), c.get('attention_bias', False)
    bias = four if three else c.get('qkv_bias', True) if kind == 'qwen2_moe' else False
    act = ACT[c.get('hidden_act', 'silu')]
    rope = rotation(c, T)
    h = t.get('model.embed_tokens.weight', c['vocab_size'], W)[ids]
    for i in range(c['num_hidden_layers']):
        p = f'model.layers.{i}.'
        window = None
        if c.get('use_sliding_window') and i >= c['max_window_layers']: window = c['sliding_window']
        if kind == 'mixtral': window = c.get('sliding_window')
        x = t.rms(h, p + 'input_layernorm', eps)
        q = heads(t.linear(x, p + 'self_attn.q_proj', H * d, bias), H)
        k = heads(t.linear(x, p + 'self_attn.k_proj', K * d, bias), K)
        v = heads(t.linear(x, p + 'self_attn.v_proj', K * d, bias), K)
        if three: q, k = t.rms(q, p + 'self_attn.q_norm', eps), t.rms(k, p + 'self_attn.k_norm', eps)
        mixed = attention(q, k, v, d ** -0.5, window, rope=rope)
        h = h + t.linear(mixed, p + 'self_attn.o_proj', W, three and four)
        x = t.rms(h, p + 'post_attention_layernorm', eps)
        def glu(x, m, inner, names=('gate_proj', 'up_proj', 'down_proj')):
            g, u, dn = names
            return t.linear(act(t.linear(x, f'{m}.{g}', inner, False)) * t.linear(x, f'{m}.{u}', inner, False), f'{m}.{dn}', W, False)
        if kind == 'mixtral':
            m, E = p + 'block_sparse_moe', c['num_local_experts']
            router = t.linear(x, m + '.gate', E, False)
            y = experts_of(x, E, c['num_experts_per_tok'], True, router,
                           lambda x, e: glu(x, f'{m}.experts.{e}', c['intermediate_size'], ('w1', 'w3', 'w2')))
        elif 'num_experts' in c and i not in c.get('mlp_only_layers', []) and (i + 1) % c.get('decoder_sparse_step', 1) == 0:
            m, E = p + 'mlp', c['num_experts']
            router = t.linear(x, m + '.gate', E, False)
            y = experts_of(x, E, c['num_experts_per_tok'], c.get('norm_topk_prob', False), router,
                           lambda x, e: glu(x, f'{m}.experts.{e}', c['moe_intermediate_size']))
            if kind == 'qwen2_moe':
                shared = glu(x, m + '.shared_expert', c['shared_expert_intermediate_size'])
                y = y + shared / (1 + np.exp(-t.linear(x, m + '.shared_expert_gate', 1, False)))
        else: y = glu(x, p + 'mlp', c['intermediate_size'])
        h = h + y
    h = t.rms(h, 'model.norm', eps)
    head = 'model.embed_tokens.weight' if c.get('tie_word_embeddings') else 'lm_head.weight'
    return h @ t.get(head, c['vocab_size'], W).T, t.shapes


def gemma(c, ids):
    t, T = Tensors(), len(ids)
    root, headroot = 'model', ''
    if 'text_config' in c:
        root, headroot = c['_root']
        c = c['text_config']
    W, F, H, K = c['hidden_size'], c['intermediate_size'], c['num_attention_heads'], c['num_key_value_heads']
    d, eps, three = c['head_dim'], c['rms_norm_eps'], c['model_type'] != 'gemma2'
    bias = c.get('attention_bias', False)
    plain = {k: v for k, v in c.items() if k not in ('rope_scaling', 'rope_theta', 'rope_parameters')}
    by_kind = c.get('rope_parameters') or {}
    local = rotation(dict(plain, rope_theta=by_kind.get('sliding_attention', {}).get('rope_theta', c.get('rope_local_base_freq', 10000.0))), T)
    far = rotation(dict(plain, rope_parameters=by_kind['full_attention']), T) if by_kind else rotation(c, T)
    h = t.get(root + '.embed_tokens.weight', c['vocab_size'], W)[ids] * math.sqrt(W)
    for i in range(c['num_hidden_layers']):
        p = f'{root}.layers.{i}.'
        if 'layer_types' in c: sliding = c['layer_types'][i] == 'sliding_attention'
        elif three: sliding = (i + 1) % c.get('sliding_window_pattern', 6) != 0
        else: sliding = i % 2 == 0
        x = t.rms(h, p + 'input_layernorm', eps, 1.0)
        q = heads(t.linear(x, p + 'self_attn.q_proj', H * d, bias), H)
        k = heads(t.linear(x, p + 'self_attn.k_proj', K * d, bias), K)
        v = heads(t.linear(x, p + 'self_attn.v_proj', K * d, bias), K)
        if three: q, k = t.rms(q, p + 'self_attn.q_norm', eps, 1.0), t.rms(k, p + 'self_attn.k_norm', eps, 1.0)
        mixed = attention(q, k, v, c['query_pre_attn_scalar'] ** -0.5, c['sliding_window'] if sliding else None,
                          c.get('attn_logit_softcapping'), local if three and sliding else far)
        x = t.linear(mixed, p + 'self_attn.o_proj', W, bias)
        h = h + t.rms(x, p + 'post_attention_layernorm', eps, 1.0)
        x = t.rms(h, p + 'pre_feedforward_layernorm', eps, 1.0)
        x = ACT['gelu_pytorch_tanh'](t.linear(x, p + 'mlp.gate_proj', F, False)) * t.linear(x, p + 'mlp.up_proj', F, False)
        h = h + t.rms(t.linear(x, p + 'mlp.down_proj', W, False), p + 'post_feedforward_layernorm', eps, 1.0)
    h = t.rms(h, root + '.norm', eps, 1.0)
    tied = c.get('tie_word_embeddings', True)
    logits = h @ t.get(root + '.embed_tokens.weight' if tied else headroot + 'lm_head.weight', c['vocab_size'], W).T
    cap = c.get('final_logit_softcapping')
    return (cap * np.tanh(logits / cap) if cap else logits), t.shapes


def phi3(c, ids):
    t, T, W, F = Tensors(), len(ids), c['hidden_size'], c['intermediate_size']
    H, K, d, eps = c['num_attention_heads'], c['num_key_value_heads'], size_of_head(c), c['rms_norm_eps']
    changes = dict(head_dim=int(d * c.get('partial_rotary_factor', 1.0)))
    if c.get('rope_scaling'):                        # the configuration keeps this beside the section
        changes['rope_scaling'] = dict(c['rope_scaling'], original_max_position_embeddings=c['original_max_position_embeddings'])
        changes['rope_scaling']['type'] = 'longrope'
    rope = rotation(c, T, **changes)
    h = t.get('model.embed_tokens.weight', c['vocab_size'], W)[ids]
    for i in range(c['num_hidden_layers']):
        p = f'model.layers.{i}.'
        x = t.linear(t.rms(h, p + 'input_layernorm', eps), p + 'self_attn.qkv_proj', (H + 2 * K) * d, False)
        q, k, v = heads(x[:, :H * d], H), heads(x[:, H * d:(H + K) * d], K), heads(x[:, (H + K) * d:], K)
        mixed = attention(q, k, v, d ** -0.5, c.get('sliding_window'), rope=rope)
        h = h + t.linear(mixed, p + 'self_attn.o_proj', W, False)
        x = t.linear(t.rms(h, p + 'post_attention_layernorm', eps), p + 'mlp.gate_up_proj', 2 * F, False)
        h = h + t.linear(ACT['silu'](x[:, :F]) * x[:, F:], p + 'mlp.down_proj', W, False)
    h = t.rms(h, 'model.norm', eps)
    return h @ t.get('lm_head.weight', c['vocab_size'], W).T, t.shapes


def gpt2(c, ids):
    t, T, W, H, eps = Tensors(), len(ids), c['n_embd'], c['n_head'], c.get('layer_norm_epsilon', 1e-5)
    root, F = c.get('_root', 'transformer.'), c.get('n_inner') or 4 * c['n_embd']
    act = ACT[c.get('activation_function', 'gelu_new')]
    h = t.get(root + 'wte.weight', c['vocab_size'], W)[ids] + t.get(root + 'wpe.weight', c['n_positions'], W)[:T]
    for i in range(c['n_layer']):
        p = f'{root}h.{i}.'
        x = t.conv1d(t.layer_norm(h, p + 'ln_1', eps), p + 'attn.c_attn', 3 * W)
        q, k, v = (heads(x[:, n * W:n * W + W], H) for n in range(3))
        scale = (W // H) ** -0.5 if c.get('scale_attn_weights', True) else 1.0
        if c.get('scale_attn_by_inverse_layer_idx'): scale /= i + 1
        h = h + t.conv1d(attention(q, k, v, scale), p + 'attn.c_proj', W)
        x = act(t.conv1d(t.layer_norm(h, p + 'ln_2', eps), p + 'mlp.c_fc', F))
        h = h + t.conv1d(x, p + 'mlp.c_proj', W)
    h = t.layer_norm(h, root + 'ln_f', eps)
    return h @ t.get(root + 'wte.weight' if c.get('tie_word_embeddings', True) else 'lm_head.weight', c['vocab_size'], W).T, t.shapes


def neox(c, ids):
    t, T, W, H, eps = Tensors(), len(ids), c['hidden_size'], c['num_attention_heads'], c['layer_norm_eps']
    d, F, bias = W // H, c['intermediate_size'], c.get('attention_bias', True)
    root, act = c.get('_root', 'gpt_neox.'), ACT[c['hidden_act']]
    share = (c.get('rope_parameters') or {}).get('partial_rotary_factor', c.get('rotary_pct'))
    rope = rotation(c, T, head_dim=int(d * share), rope_theta=c.get('rotary_emb_base', 10000))
    h = t.get(root + 'embed_in.weight', c['vocab_size'], W)[ids]
    for i in range(c['num_hidden_layers']):
        p = f'{root}layers.{i}.'
        x = t.linear(t.layer_norm(h, p + 'input_layernorm', eps), p + 'attention.query_key_value', 3 * W, bias)
        x = x.reshape(T, H, 3 * d)                   # a head's query, key and value follow each other
        mixed = attention(x[:, :, :d], x[:, :, d:2 * d], x[:, :, 2 * d:], d ** -0.5, rope=rope)
        attended = t.linear(mixed, p + 'attention.dense', W, bias)
        def mlp(x):
            x = act(t.linear(t.layer_norm(x, p + 'post_attention_layernorm', eps), p + 'mlp.dense_h_to_4h', F, True))
            return t.linear(x, p + 'mlp.dense_4h_to_h', W, True)
        if c.get('use_parallel_residual', True): h = h + attended + mlp(h)
        else:
            h = h + attended
            h = h + mlp(h)
    h = t.layer_norm(h, root + 'final_layer_norm', eps)
    return h @ t.get(root + 'embed_in.weight' if c.get('tie_word_embeddings') else 'embed_out.weight', c['vocab_size'], W).T, t.shapes


def opt(c, ids):
    t, T, W, H = Tensors(), len(ids), c['hidden_size'], c['num_attention_heads']
    root, F, E = c.get('_root', 'model.decoder.'), c['ffn_dim'], c.get('word_embed_proj_dim', c['hidden_size'])
    before, bias, act = c.get('do_layer_norm_before', True), c.get('enable_bias', True), ACT[c['activation_function']]
    h = t.get(root + 'embed_tokens.weight', c['vocab_size'], E)[ids]
    if E != W: h = t.linear(h, root + 'project_in', W, False)
    h = h + t.get(root + 'embed_positions.weight', c['max_position_embeddings'] + 2, W)[np.arange(T) + 2]
    for i in range(c['num_hidden_layers']):
        p = f'{root}layers.{i}.'
        x = t.layer_norm(h, p + 'self_attn_layer_norm') if before else h
        q, k, v = (heads(t.linear(x, f'{p}self_attn.{n}_proj', W, bias), H) for n in 'qkv')
        h = h + t.linear(attention(q, k, v, (W // H) ** -0.5), p + 'self_attn.out_proj', W, bias)
        if not before: h = t.layer_norm(h, p + 'self_attn_layer_norm')
        x = t.layer_norm(h, p + 'final_layer_norm') if before else h
        h = h + t.linear(act(t.linear(x, p + 'fc1', F, bias)), p + 'fc2', W, bias)
        if not before: h = t.layer_norm(h, p + 'final_layer_norm')
    if before and not c.get('_remove_final_layer_norm'): h = t.layer_norm(h, root + 'final_layer_norm')
    if E != W: h = t.linear(h, root + 'project_out', E, False)
    return h @ t.get(root + 'embed_tokens.weight' if c.get('tie_word_embeddings', True) else 'lm_head.weight', c['vocab_size'], E).T, t.shapes


BASE = dict(vocab_size=40, hidden_size=32, intermediate_size=44, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            hidden_act='silu', rms_norm_eps=1e-6, max_position_embeddings=64, rope_theta=10000.0, tie_word_embeddings=False, bos_token_id=1)
def model(kind, architecture, base=BASE, **more): return dict(base, model_type=kind, architectures=[architecture], **more)
QWEN3 = model('qwen3', 'Qwen3ForCausalLM', head_dim=16)
MIXTRAL = model('mixtral', 'MixtralForCausalLM', num_local_experts=4, num_experts_per_tok=2, sliding_window=None)
QWEN2_MOE = model('qwen2_moe', 'Qwen2MoeForCausalLM', num_experts=6, num_experts_per_tok=2, moe_intermediate_size=36,
                  shared_expert_intermediate_size=40)
QWEN3_MOE = model('qwen3_moe', 'Qwen3MoeForCausalLM', head_dim=16, num_experts=5, num_experts_per_tok=3, moe_intermediate_size=32)
GEMMA = {k: v for k, v in dict(BASE, head_dim=16, query_pre_attn_scalar=24, sliding_window=5,
         hidden_activation='gelu_pytorch_tanh', bos_token_id=2).items() if k not in ('hidden_act', 'tie_word_embeddings')}
GEMMA2 = dict(model('gemma2', 'Gemma2ForCausalLM', GEMMA), attn_logit_softcapping=2.0, final_logit_softcapping=3.0)
GEMMA3 = dict(model('gemma3_text', 'Gemma3ForCausalLM', GEMMA), num_hidden_layers=4, sliding_window_pattern=3,
              rope_theta=1000000.0, rope_local_base_freq=10000.0)
NEWER3 = {k: v for k, v in GEMMA3.items() if k not in ('rope_theta', 'rope_local_base_freq', 'sliding_window_pattern')}
TEXT3 = {k: v for k, v in GEMMA3.items() if k != 'architectures'}
SEEING3 = dict(model_type='gemma3', architectures=['Gemma3ForConditionalGeneration'])
PHI3 = model('phi3', 'Phi3ForCausalLM', sliding_window=None, original_max_position_embeddings=16,
             pad_token_id=0)
LONG = dict(short_factor=[1.0, 1.25, 1.5, 2.0], long_factor=[1.0, 2.0, 4.0, 8.0])
GPT2 = dict(model_type='gpt2', architectures=['GPT2LMHeadModel'], vocab_size=40, n_embd=32, n_head=4, n_layer=2, n_positions=24,
            activation_function='gelu_new', layer_norm_epsilon=1e-5, bos_token_id=3)
NEOX = dict(model_type='gpt_neox', architectures=['GPTNeoXForCausalLM'], vocab_size=40, hidden_size=32, intermediate_size=48,
            num_hidden_layers=2, num_attention_heads=2, hidden_act='gelu', layer_norm_eps=1e-5, max_position_embeddings=64,
            rotary_pct=0.25, rotary_emb_base=10000, use_parallel_residual=True, tie_word_embeddings=False, bos_token_id=0)
OPT = dict(model_type='opt', architectures=['OPTForCausalLM'], vocab_size=40, hidden_size=32, ffn_dim=48, num_hidden_layers=2,
           num_attention_heads=4, activation_function='relu', max_position_embeddings=20, word_embed_proj_dim=32, bos_token_id=2)
CASES = {
    'qwen3': (qwen, QWEN3, 'BF16', 12),
    'qwen3_bias_tied_window': (qwen, dict(QWEN3, attention_bias=True, tie_word_embeddings=True, use_sliding_window=True,
                               sliding_window=4, max_window_layers=1), 'F16', 12),
    'mixtral': (qwen, MIXTRAL, 'BF16', 12),
    'mixtral_window_top1': (qwen, dict(MIXTRAL, num_experts_per_tok=1, sliding_window=4), 'F32', 10),
    'qwen2_moe': (qwen, QWEN2_MOE, 'BF16', 12),
    'qwen2_moe_some_dense': (qwen, dict(QWEN2_MOE, num_hidden_layers=4, mlp_only_layers=[3], decoder_sparse_step=2, norm_topk_prob=True,
                             qkv_bias=False), 'BF16', 8),
    'qwen3_moe': (qwen, dict(QWEN3_MOE, norm_topk_prob=True), 'BF16', 12),
    'qwen3_moe_plain_shares': (qwen, dict(QWEN3_MOE, norm_topk_prob=False, attention_bias=True), 'F32', 8),
    'gemma2': (gemma, GEMMA2, 'BF16', 14),
    'gemma2_no_caps': (gemma, dict(GEMMA2, attn_logit_softcapping=None, final_logit_softcapping=None, attention_bias=True,
                       tie_word_embeddings=False), 'F32', 12),
    'gemma3': (gemma, GEMMA3, 'BF16', 14),
    'gemma3_linear': (gemma, dict(GEMMA3, rope_scaling=dict(rope_type='linear', factor=8.0)), 'F32', 14),
    'gemma3_newer': (gemma, dict(NEWER3, layer_types=['full_attention', 'sliding_attention', 'sliding_attention', 'full_attention'],
                     rope_parameters=dict(full_attention=dict(rope_type='linear', factor=4.0, rope_theta=500000.0),
                     sliding_attention=dict(rope_type='default', rope_theta=5000.0))), 'F32', 14),
    'gemma3_seeing': (gemma, dict(SEEING3, text_config=TEXT3, _root=['language_model.model', 'language_model.']), 'BF16', 10),
    'gemma3_seeing_newer': (gemma, dict(SEEING3, text_config=dict(TEXT3, tie_word_embeddings=False),
                            _root=['model.language_model', '']), 'BF16', 10),
    'phi3': (phi3, dict(PHI3, sliding_window=5), 'BF16', 12),
    'phi3_longrope_short': (phi3, dict(PHI3, rope_scaling=dict(LONG, type='longrope')), 'F32', 12),
    'phi3_longrope_long': (phi3, dict(PHI3, rope_scaling=dict(LONG, type='longrope')), 'F32', 20),
    'phi3_partial': (phi3, dict(PHI3, num_attention_heads=2, num_key_value_heads=1, partial_rotary_factor=0.5, rope_scaling=dict(LONG, type='longrope')), 'BF16', 18),
    'gpt2': (gpt2, GPT2, 'F32', 12),
    'gpt2_bare_names': (gpt2, dict(GPT2, _root='', n_inner=40, scale_attn_by_inverse_layer_idx=True, activation_function='gelu'), 'F16', 10),
    'gpt2_own_head': (gpt2, dict(GPT2, tie_word_embeddings=False, scale_attn_weights=False, activation_function='relu'), 'BF16', 10),
    'neox': (neox, NEOX, 'F16', 12),
    'neox_sequential': (neox, dict(NEOX, use_parallel_residual=False, rotary_pct=1.0, hidden_act='gelu_fast', num_attention_heads=4,
                        rotary_emb_base=5000, attention_bias=False), 'BF16', 10),
    'neox_tied_newer': (neox, dict({k: v for k, v in NEOX.items() if k not in ('rotary_pct', 'rotary_emb_base')}, tie_word_embeddings=True,
                        rope_parameters=dict(rope_type='linear', factor=2.0, rope_theta=3000.0, partial_rotary_factor=0.5)), 'F32', 10),
    'opt': (opt, OPT, 'F16', 12),
    'opt_after_projected': (opt, dict(OPT, do_layer_norm_before=False, word_embed_proj_dim=24), 'F16', 12),
    'opt_bare_names': (opt, dict(OPT, _root='decoder.', enable_bias=False, _remove_final_layer_norm=True, tie_word_embeddings=False,
                       activation_function='gelu'), 'F32', 10),
}

if __name__ == '__main__':
    for name, (run, config, dtype, tokens) in CASES.items():
        write('family', name, 'python3 test/golden/families_reference.py', config, dtype, tokens, run)

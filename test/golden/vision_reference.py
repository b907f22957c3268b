#!/usr/bin/env python3
# Golden outputs of small random vision networks, in double precision, after the papers and the layout of the published
# checkpoints; independent of Lathe's code (windows by the coordinates of tokens, one query at a time). Needs numpy only.
#   python3 test/golden/vision_reference.py           writes test/golden/vision_<case>.json
import sys
sys.dont_write_bytecode = True
import math
import numpy as np
from golden import ACTIVATIONS, Weights, attention, steps, write


def sides(value): return tuple(value) if isinstance(value, list) else (value, value)


def patches(w, image, module, width, patch, bias=True):      # one patch at a time, rows from the top
    kernel = w(module + '.weight', width, image.shape[0], *patch).reshape(width, -1)
    shift = w(module + '.bias', width) if bias else 0
    rows, cols = image.shape[1] // patch[0], image.shape[2] // patch[1]
    cut = lambda y, x: image[:, y * patch[0]:(y + 1) * patch[0], x * patch[1]:(x + 1) * patch[1]].ravel()
    return np.array([kernel @ cut(y, x) + shift for y in range(rows) for x in range(cols)])


def layer(w, h, names, width, inner, heads, eps, act, bias, qkv_bias=True):      # norms stand in front
    q, k, v, o, n1, up, down, n2 = names
    x = w.norm(h, n1, eps)
    mixed = attention(*[w.linear(x, m, width, width, qkv_bias) for m in (q, k, v)], heads, bias)
    h = h + w.linear(mixed, o, width, width)
    return h + w.linear(act(w.linear(w.norm(h, n2, eps), up, inner, width)), down, width, inner)


free = lambda head, i, j: 0


def vit(c, image):
    w, kind = Weights(), c['architectures'][0]
    W, p, n = c['hidden_size'], c.get('_prefix', c['model_type'] + '.'), len(c.get('id2label', {})) or 2
    x = patches(w, image, p + 'embeddings.patch_embeddings.projection', W, sides(c['patch_size']))
    first = [w(p + 'embeddings.cls_token', 1, 1, W)[0]]
    if c['model_type'] == 'deit': first.append(w(p + 'embeddings.distillation_token', 1, 1, W)[0])
    h = np.concatenate(first + [x])
    h = h + w(p + 'embeddings.position_embeddings', 1, len(h), W)[0]
    for i in range(c['num_hidden_layers']):
        l = f'{p}encoder.layer.{i}.'
        names = [l + m for m in ('attention.attention.query', 'attention.attention.key', 'attention.attention.value', 'attention.output.dense',
                                 'layernorm_before', 'intermediate.dense', 'output.dense', 'layernorm_after')]
        h = layer(w, h, names, W, c['intermediate_size'], c['num_attention_heads'], c['layer_norm_eps'], ACTIVATIONS[c['hidden_act']], free,
                  c.get('qkv_bias', True))
    h = w.norm(h, p + 'layernorm', c['layer_norm_eps'])
    if kind.endswith('WithTeacher'):
        out = dict(logits=(w.linear(h[0], 'cls_classifier', n, W) + w.linear(h[1], 'distillation_classifier', n, W)) / 2)
    elif kind.endswith('Classification'): out = dict(logits=w.linear(h[0], 'classifier', n, W))
    else:
        out = dict(last_hidden_state=h)
        if c.get('_pooler'): out['pooler_output'] = np.tanh(w.linear(h[0], p + 'pooler.dense', W, W))
    return out, w.shapes


def swin(c, image):
    w, p, win, eps = Weights(), 'swin.', c['window_size'], c['layer_norm_eps']
    act, patch, C = ACTIVATIONS[c['hidden_act']], sides(c['patch_size']), c['embed_dim']
    H, W = image.shape[1] // patch[0], image.shape[2] // patch[1]
    h = w.norm(patches(w, image, p + 'embeddings.patch_embeddings.projection', C, patch), p + 'embeddings.norm', eps)
    if c.get('use_absolute_embeddings'): h = h + w(p + 'embeddings.position_embeddings', 1, H * W, C)[0]
    for stage, (depth, heads) in enumerate(zip(c['depths'], c['num_heads'])):
        for block in range(depth):
            l = f'{p}encoder.layers.{stage}.blocks.{block}.'
            shift = 0 if min(H, W) <= win or block % 2 == 0 else win // 2
            tall, wide = math.ceil(H / win) * win, math.ceil(W / win) * win
            x = np.zeros((tall, wide, C))                # what lies outside the map is zero behind the norm
            x[:H, :W] = w.norm(h, l + 'layernorm_before', eps).reshape(H, W, C)
            at = [((y - shift) % tall, (u - shift) % wide) for y in range(tall) for u in range(wide)]   # place in the shifted map
            window = [(y // win, u // win) for y, u in at]
            region = [tuple(0 if a < side - win else 1 if a < side - shift else 2 for a, side in ((y, tall), (u, wide))) for y, u in at]
            table = w(l + 'attention.self.relative_position_bias_table', (2 * win - 1) ** 2, heads)
            def bias(head, i, j):
                if window[i] != window[j]: return -np.inf
                dy, du = at[i][0] - at[j][0] + win - 1, at[i][1] - at[j][1] + win - 1
                return table[dy * (2 * win - 1) + du, head] + (-100 if shift and region[i] != region[j] else 0)
            rows = x.reshape(-1, C)
            mixed = attention(*[w.linear(rows, l + 'attention.self.' + m, C, C, c.get('qkv_bias', True)) for m in ('query', 'key', 'value')], heads, bias)
            y = w.linear(mixed, l + 'attention.output.dense', C, C).reshape(tall, wide, C)[:H, :W].reshape(-1, C)
            h = h + y
            inner = int(c['mlp_ratio'] * C)
            h = h + w.linear(act(w.linear(w.norm(h, l + 'layernorm_after', eps), l + 'intermediate.dense', inner, C)), l + 'output.dense', C, inner)
        if stage == len(c['depths']) - 1: break
        l, x = f'{p}encoder.layers.{stage}.downsample.', np.zeros((H + H % 2, W + W % 2, C))
        x[:H, :W] = h.reshape(H, W, C)
        H, W = x.shape[0] // 2, x.shape[1] // 2
        x = np.array([np.concatenate([x[2 * a, 2 * b], x[2 * a + 1, 2 * b], x[2 * a, 2 * b + 1], x[2 * a + 1, 2 * b + 1]])
                      for a in range(H) for b in range(W)])
        h = w.linear(w.norm(x, l + 'norm', eps), l + 'reduction', 2 * C, 4 * C, False)
        C *= 2
    h = w.norm(h, p + 'layernorm', eps)
    if c['architectures'][0] == 'SwinModel': return dict(last_hidden_state=h, pooler_output=h.mean(axis=0)), w.shapes
    return dict(logits=w.linear(h.mean(axis=0), 'classifier', len(c['id2label']), C)), w.shapes


def clip_layers(w, h, prefix, c, bias, depth=None):
    states = [h]
    for i in range(depth if depth is not None else c['num_hidden_layers']):
        l = f'{prefix}encoder.layers.{i}.'
        names = [l + m for m in ('self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.out_proj', 'layer_norm1', 'mlp.fc1', 'mlp.fc2', 'layer_norm2')]
        h = layer(w, h, names, c['hidden_size'], c['intermediate_size'], c['num_attention_heads'], c['layer_norm_eps'], ACTIVATIONS[c['hidden_act']], bias)
        states.append(h)
    return states


def clip_tower(w, c, image, p, depth=None):
    W = c['hidden_size']
    siglip = 'siglip' in c.get('model_type', '')
    x = patches(w, image, p + 'embeddings.patch_embedding', W, sides(c['patch_size']), siglip)
    if not siglip: x = np.concatenate([w(p + 'embeddings.class_embedding', W)[None], x])
    h = x + w(p + 'embeddings.position_embedding.weight', len(x), W)
    if not siglip: h = w.norm(h, p + 'pre_layrnorm', c['layer_norm_eps'])
    return clip_layers(w, h, p, c, free, depth)


def clip(c, images, ids, masks):
    w, t, v, P = Weights(), c['text_config'], c['vision_config'], c['projection_dim']
    unit = lambda x: x / np.linalg.norm(x)
    def image_embed(image):
        h = w.norm(clip_tower(w, v, image, 'vision_model.')[-1][0], 'vision_model.post_layernorm', v['layer_norm_eps'])
        return unit(w.linear(h, 'visual_projection', P, v['hidden_size'], False))
    def text_embed(row, mask):
        W = t['hidden_size']
        word, place = w('text_model.embeddings.token_embedding.weight', t['vocab_size'], W), \
            w('text_model.embeddings.position_embedding.weight', t['max_position_embeddings'], W)
        h = np.array([word[token] + place[i] for i, token in enumerate(row)])
        h = clip_layers(w, h, 'text_model.', t, lambda head, i, j: 0 if j <= i and mask[j] else -np.inf)[-1]
        h = w.norm(h, 'text_model.final_layer_norm', t['layer_norm_eps'])
        end = int(np.argmax(row)) if t['eos_token_id'] == 2 else row.index(t['eos_token_id'])
        return unit(w.linear(h[end], 'text_projection', P, W, False))
    I, T = np.array([image_embed(x) for x in images]), np.array([text_embed(*x) for x in zip(ids, masks)])
    scale = math.exp(w('logit_scale'))
    return dict(logits_per_image=I @ T.T * scale, logits_per_text=T @ I.T * scale, text_embeds=T, image_embeds=I), w.shapes


def llava(c, image, ids):
    w, t, v = Weights(), c['text_config'], c['vision_config']
    new = c.get('_new', False)
    vision = ('model.' if new else '') + 'vision_tower.vision_model.'
    projector = ('model.' if new else '') + 'multi_modal_projector.'
    body, head = ('model.language_model.', 'lm_head') if new else ('language_model.model.', 'language_model.lm_head')
    chosen = c['vision_feature_layer']
    many = chosen if isinstance(chosen, list) else [chosen]
    n = v['num_hidden_layers']
    deepest = max(x if x >= 0 else n + 1 + x for x in many)
    states = clip_tower(w, v, image, vision, deepest)
    picked = np.concatenate([states[x if x >= 0 else n + 1 + x] for x in many], axis=1)
    if c['vision_feature_select_strategy'] == 'default': picked = picked[1:]
    W, V, F = t['hidden_size'], v['hidden_size'] * len(many), t['intermediate_size']
    x = ACTIVATIONS[c['projector_hidden_act']](w.linear(picked, projector + 'linear_1', W, V))
    features = w.linear(x, projector + 'linear_2', W, W)
    word = w(body + 'embed_tokens.weight', t['vocab_size'], W)
    h, seen = [], 0
    for token in ids:
        h.append(features[seen] if token == c['image_token_index'] else word[token])
        seen += token == c['image_token_index']
    assert seen == len(features)
    h, d, H = np.array(h), W // t['num_attention_heads'], t['num_attention_heads']
    rms = lambda x, name: x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + t['rms_norm_eps']) * w(name + '.weight', W)
    def turned(x):                                   # rotary positions, pair i is (x[i], x[i + d/2])
        out = np.empty_like(x)
        for at in range(len(x)):
            for head in range(H):
                for i in range(d // 2):
                    a = at * 10000.0 ** (-2 * i / d)
                    p, q = head * d + i, head * d + i + d // 2
                    out[at, p] = x[at, p] * math.cos(a) - x[at, q] * math.sin(a)
                    out[at, q] = x[at, q] * math.cos(a) + x[at, p] * math.sin(a)
        return out
    for i in range(t['num_hidden_layers']):
        l = f'{body}layers.{i}.'
        x = rms(h, l + 'input_layernorm')
        q, k, val = [w.linear(x, l + f'self_attn.{m}_proj', W, W, False) for m in 'qkv']
        mixed = attention(turned(q), turned(k), val, H, lambda head, i, j: 0 if j <= i else -np.inf)
        h = h + w.linear(mixed, l + 'self_attn.o_proj', W, W, False)
        x = rms(h, l + 'post_attention_layernorm')
        gate = ACTIVATIONS['silu'](w.linear(x, l + 'mlp.gate_proj', F, W, False))
        h = h + w.linear(gate * w.linear(x, l + 'mlp.up_proj', F, W, False), l + 'mlp.down_proj', W, F, False)
    return dict(logits=w.linear(rms(h, body + 'norm'), head, t['vocab_size'], W, False)), w.shapes


labels = lambda n: {str(i): f'class {i}' for i in range(n)}
VIT = dict(architectures=['ViTForImageClassification'], model_type='vit', hidden_size=32, intermediate_size=44, num_hidden_layers=2,
           num_attention_heads=4, hidden_act='gelu', layer_norm_eps=1e-12, image_size=16, patch_size=4, num_channels=3, qkv_bias=True, id2label=labels(5))
DEIT = dict(VIT, architectures=['DeiTForImageClassification'], model_type='deit')
SWIN = dict(architectures=['SwinForImageClassification'], model_type='swin', image_size=16, patch_size=2, num_channels=3, embed_dim=16, depths=[2, 2],
            num_heads=[2, 4], window_size=4, mlp_ratio=2.0, qkv_bias=True, hidden_act='gelu', layer_norm_eps=1e-5, use_absolute_embeddings=False, id2label=labels(5))
TEXT = dict(model_type='clip_text_model', vocab_size=40, hidden_size=24, intermediate_size=36, num_hidden_layers=2, num_attention_heads=3,
            max_position_embeddings=12, hidden_act='quick_gelu', layer_norm_eps=1e-5, eos_token_id=2)
VISION = dict(model_type='clip_vision_model', hidden_size=32, intermediate_size=44, num_hidden_layers=2, num_attention_heads=4, image_size=16, patch_size=8,
              num_channels=3, hidden_act='quick_gelu', layer_norm_eps=1e-5)
CLIP = dict(architectures=['CLIPModel'], model_type='clip', projection_dim=16, text_config=TEXT, vision_config=VISION)
LLAMA = dict(model_type='llama', vocab_size=40, hidden_size=32, intermediate_size=44, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
             hidden_act='silu', rms_norm_eps=1e-5, max_position_embeddings=64, rope_theta=10000.0)
LLAVA = dict(architectures=['LlavaForConditionalGeneration'], model_type='llava', text_config=LLAMA, vision_config=dict(VISION, num_hidden_layers=3),
             image_token_index=36, projector_hidden_act='gelu', vision_feature_layer=-2, vision_feature_select_strategy='default')
CASES = {
    'vit_classes': VIT,
    'vit_wide': dict(VIT, image_size=[8, 24], patch_size=[4, 8], qkv_bias=False, hidden_act='gelu_new', num_channels=1, num_hidden_layers=1),
    'vit_features': dict(VIT, architectures=['ViTModel'], _prefix='', _pooler=True, num_hidden_layers=1),
    'deit_classes': DEIT,
    'deit_teacher': dict(DEIT, architectures=['DeiTForImageClassificationWithTeacher']),
    'swin_classes': SWIN,
    'swin_padded': dict(SWIN, image_size=20, depths=[2, 2, 1], num_heads=[2, 2, 4], window_size=3, use_absolute_embeddings=True),
    'swin_features': dict(SWIN, architectures=['SwinModel'], image_size=[8, 16], depths=[2], num_heads=[4], qkv_bias=False),
    'clip_legacy': CLIP,
    'clip_end': dict(CLIP, text_config=dict(TEXT, eos_token_id=30, hidden_act='gelu'), vision_config=dict(VISION, hidden_act='gelu', image_size=24)),
    'llava_old': LLAVA,
    'llava_new': dict(LLAVA, _new=True, vision_feature_layer=[-3, -1], vision_feature_select_strategy='full'),
    'llava_siglip': dict(LLAVA, vision_config=dict(VISION, model_type='siglip_vision_model', hidden_act='gelu_pytorch_tanh'), vision_feature_layer=-1,
                         vision_feature_select_strategy='full', projector_hidden_act='gelu_pytorch_tanh'),
}
for name, c in CASES.items():
    v = c.get('vision_config', c)
    shape = (2, v['num_channels'], *sides(v['image_size']))
    pixels = (steps('pixel_values', math.prod(shape)) / 64).reshape(shape)
    inputs = dict(pixel_values=dict(shape=list(shape)))
    if c['model_type'] == 'clip':
        ids, mask = [[5, 9, 30, 1, 12, 39, 0], [7, 30, 39, 0, 0, 0, 0], [30, 39, 4, 4, 4, 4, 4]], [[1] * 7, [1, 1, 1, 0, 0, 0, 0], [1] * 7]
        outputs, shapes = clip(c, pixels, ids, mask)
        inputs = dict(input_ids=ids, **inputs, attention_mask=mask)
    elif c['model_type'] == 'llava':
        count = (v['image_size'] // v['patch_size']) ** 2 + (0 if c['vision_feature_select_strategy'] == 'default' or 'siglip' in v['model_type'] else 1)
        ids = [[3, 8] + [36] * count + [5, 17, 2], [36] * count + [9, 21, 30, 1, 6]]
        results = [llava(c, *x) for x in zip(pixels, ids)]
        outputs, shapes = dict(logits=np.stack([r[0]['logits'] for r in results])), results[0][1]
        inputs = dict(input_ids=ids, **inputs)
    else:
        results = [(swin if c['model_type'] == 'swin' else vit)(c, x) for x in pixels]
        outputs, shapes = {k: np.stack([r[0][k] for r in results]) for k in results[0][0]}, results[0][1]
    config = {k: v for k, v in c.items() if not k.startswith('_')}
    write('vision_' + name, 'vision_reference.py', config, shapes, inputs, outputs)

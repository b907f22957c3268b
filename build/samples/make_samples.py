#!/usr/bin/env python3
"""Trains the two sample checkpoints of resources/samples on data this script makes itself.

    python3 build/samples/make_samples.py OUT [--part language|vision|all] [--device cuda|cpu] [--seed 0]

language: a Llama-family model (6 blocks, width 128, grouped-query attention, SwiGLU, untied head) with its own byte-level
          BPE tokenizer of 1,024 tokens, on short reports from a small grammar whose facts must be remembered.
vision:   a residual network of 13 convolutions for 32 x 32 drawings of 10 kinds, batch norm folded, written as ONNX.
Needs torch and numpy; onnx for the vision part; safetensors is written by hand. The product never runs this.
"""
import argparse, json, math, os, random, struct
import numpy as np
import torch
import torch.nn.functional as F

NAMES = 'Ada Bruno Carla Dario Elena Farid Greta Hiro Ines Jonas Karin Luca Mira Nadia Oskar Petra Quinn Rosa Samir Tilda'.split()
PLACES = 'harbour library station market workshop garden museum bakery theatre observatory'.split()
THINGS = 'lantern compass violin kettle ladder notebook telescope basket hammer umbrella mirror clock'.split()
COLOURS = 'red blue green yellow black white silver brown'.split()
WEATHER = 'rain fog snow wind sunshine thunder'.split()
MOODS = 'calm curious tired proud worried cheerful'.split()
NUMBERS = 'two three four five six seven eight nine'.split()


def report(r):
    """One report: who carries what, where it goes, and what is asked at the end follows from what was said before."""
    a, b = r.sample(NAMES, 2)
    p, q = r.sample(PLACES, 2)
    t, u = r.sample(THINGS, 2)
    c, d = r.sample(COLOURS, 2)
    n = r.choice(NUMBERS)
    w, m = r.choice(WEATHER), r.choice(MOODS)
    out = [r.choice([
        f'In the morning there was {w} over the {p}, and {a} felt {m}.',
        f'{a} came to the {p} early, although the {w} had not stopped.',
        f'The {p} was quiet. {a} was {m} because of the {w}.'])]
    out.append(r.choice([
        f'{a} carried a {c} {t} and {n} letters for {b}.',
        f'On the table lay a {c} {t}; {a} took it together with {n} coins.',
        f'"This {c} {t} is not mine," said {a}, "it belongs to {b}."']))
    k = r.randrange(4)
    if k == 0:
        out.append(f'{b} had lost a {d} {u} at the {q} and asked for help.')
        out.append(f'They walked from the {p} to the {q} and found the {d} {u} behind a door.')
    elif k == 1:
        out.append(f'At the {q}, {b} waited with a {d} {u}.')
        out.append(f'{a} gave the {t} to {b}, and {b} gave the {u} to {a}.')
        out.append(f'So {a} went home with a {d} {u}, and {b} kept the {c} {t}.')
    elif k == 2:
        hours = r.randrange(2, 9)
        out.append(f'The way to the {q} takes {NUMBERS[hours - 2]} hours, and back again the same.')
        out.append(f'After {NUMBERS[hours - 2]} hours {a} saw {b} at the gate of the {q}.')
    else:
        out.append(f'Nobody at the {q} knew the {t}, but {b} remembered its {c} handle.')
    if r.random() < 0.7:
        out.append(r.choice([
            f'In the end the {c} {t} stayed with {b}, and {a} was {m} no more.',
            f'{b} thanked {a}, and the {w} was over at last.',
            f'When asked about the {t}, {a} only said that it was {c}.',
            f'{a} and {b} still meet at the {p} and talk about the {c} {t}.']))
    return ' '.join(out)


# Byte-level BPE: GPT-2's printable alphabet for bytes, merges learnt within words that carry their leading space.
def alphabet():
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    extra = [b for b in range(256) if b not in keep]
    return {**{b: chr(b) for b in keep}, **{b: chr(256 + i) for i, b in enumerate(extra)}}


def words_of(text):
    import re
    return re.findall(r" ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+", text)


def train_bpe(text, size, specials):
    table = alphabet()
    counts = {}
    for w in words_of(text):
        key = tuple(table[b] for b in w.encode())
        counts[key] = counts.get(key, 0) + 1
    vocab = specials + [table[b] for b in range(256)]
    merges = []
    while len(vocab) < size:
        pairs = {}
        for w, n in counts.items():
            for x in zip(w, w[1:]):
                pairs[x] = pairs.get(x, 0) + n
        if not pairs or max(pairs.values()) < 2:
            break
        best = max(pairs.items(), key=lambda kv: (kv[1], kv[0]))[0]
        merges.append(best)
        vocab.append(best[0] + best[1])
        merged = {}
        for w, n in counts.items():
            o, i = [], 0
            while i < len(w):
                if i + 1 < len(w) and (w[i], w[i + 1]) == best:
                    o.append(w[i] + w[i + 1]); i += 2
                else:
                    o.append(w[i]); i += 1
            merged[tuple(o)] = merged.get(tuple(o), 0) + n
        counts = merged
    while len(vocab) < size:
        vocab.append(f'<unused{len(vocab)}>')
    return vocab, merges


def tokenizer_json(vocab, merges, specials):
    # The file names GPT-2's way to cut text, which every runtime knows. On these texts it cuts as words_of does: nothing
    # in them is contracted or spaced twice, and a merge never crosses a cut.
    return {
        'version': '1.0', 'truncation': None, 'padding': None,
        'added_tokens': [dict(id=i, content=s, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True) for i, s in enumerate(specials)],
        'normalizer': None,
        'pre_tokenizer': {'type': 'ByteLevel', 'add_prefix_space': False, 'trim_offsets': True, 'use_regex': True},
        'post_processor': None,
        'decoder': {'type': 'ByteLevel', 'add_prefix_space': False, 'trim_offsets': True, 'use_regex': False},
        'model': {'type': 'BPE', 'dropout': None, 'unk_token': None, 'continuing_subword_prefix': None, 'end_of_word_suffix': None, 'fuse_unk': False,
                  'byte_fallback': False, 'vocab': {t: i for i, t in enumerate(vocab)}, 'merges': [list(m) for m in merges]},
    }


class Encoder:
    def __init__(self, vocab, merges):
        self.ids = {t: i for i, t in enumerate(vocab)}
        self.rank = {m: i for i, m in enumerate(merges)}
        self.table, self.cache = alphabet(), {}

    def word(self, w):
        if w not in self.cache:
            parts = [self.table[b] for b in w.encode()]
            while len(parts) > 1:
                r, i = min((self.rank.get(x, 1 << 30), i) for i, x in enumerate(zip(parts, parts[1:])))
                if r == 1 << 30:
                    break
                parts[i:i + 2] = [parts[i] + parts[i + 1]]
            self.cache[w] = [self.ids[p] for p in parts]
        return self.cache[w]

    def __call__(self, text):
        return [t for w in words_of(text) for t in self.word(w)]


CONFIG = dict(hidden_size=128, intermediate_size=352, num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
              vocab_size=1024, rms_norm_eps=1e-5, rope_theta=10000.0, max_position_embeddings=256)


class Block(torch.nn.Module):
    def __init__(self, c):
        super().__init__()
        h, d, f = c['hidden_size'], c['head_dim'], c['intermediate_size']
        lin = lambda i, o: torch.nn.Linear(i, o, bias=False)
        self.q, self.k, self.v, self.o = lin(h, h), lin(h, d * c['num_key_value_heads']), lin(h, d * c['num_key_value_heads']), lin(h, h)
        self.gate, self.up, self.down = lin(h, f), lin(h, f), lin(f, h)
        self.n1, self.n2 = torch.nn.Parameter(torch.ones(h)), torch.nn.Parameter(torch.ones(h))


def rms(x, w, eps=1e-5):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * w


def rope(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


def attend(q, k, v):
    a = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    a = a.masked_fill(torch.ones(a.shape[-2:], dtype=torch.bool, device=a.device).triu(1), float('-inf'))
    return a.softmax(-1) @ v


class Model(torch.nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embed = torch.nn.Embedding(c['vocab_size'], c['hidden_size'])
        self.blocks = torch.nn.ModuleList(Block(c) for _ in range(c['num_hidden_layers']))
        self.norm = torch.nn.Parameter(torch.ones(c['hidden_size']))
        self.head = torch.nn.Linear(c['hidden_size'], c['vocab_size'], bias=False)
        for p in self.parameters():
            if p.dim() == 2:
                torch.nn.init.normal_(p, std=0.05)

    def forward(self, ids):
        c, (B, T) = self.c, ids.shape
        d, H, K = c['head_dim'], c['num_attention_heads'], c['num_key_value_heads']
        inv = c['rope_theta'] ** (-torch.arange(0, d, 2, device=ids.device).float() / d)
        ang = torch.arange(T, device=ids.device).float()[:, None] * inv[None]
        cos, sin = torch.cat([ang, ang], -1).cos(), torch.cat([ang, ang], -1).sin()
        x = self.embed(ids)
        for b in self.blocks:
            y = rms(x, b.n1)
            q = rope(b.q(y).view(B, T, H, d).transpose(1, 2), cos, sin)
            k = rope(b.k(y).view(B, T, K, d).transpose(1, 2), cos, sin).repeat_interleave(H // K, 1)
            v = b.v(y).view(B, T, K, d).transpose(1, 2).repeat_interleave(H // K, 1)
            x = x + b.o(attend(q, k, v).transpose(1, 2).reshape(B, T, -1))
            y = rms(x, b.n2)
            x = x + b.down(F.silu(b.gate(y)) * b.up(y))
        return self.head(rms(x, self.norm))


def save_safetensors(path, tensors):
    header, offset = {'__metadata__': {'format': 'pt'}}, 0
    for n, t in tensors.items():
        header[n] = {'dtype': 'F32', 'shape': list(t.shape), 'data_offsets': [offset, offset + t.nbytes]}
        offset += t.nbytes
    j = json.dumps(header, separators=(',', ':')).encode()
    j += b' ' * (-len(j) % 8)
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(j)) + j)
        for t in tensors.values():
            f.write(t.tobytes())


def language(out, device, seed, steps):
    os.makedirs(out, exist_ok=True)
    r = random.Random(seed)
    seen = [report(r) for _ in range(60000)]
    held = random.Random(seed + 1)
    valid, calib = [report(held) for _ in range(330)], [report(held) for _ in range(200)]
    specials = ['<unk>', '<s>', '</s>']
    vocab, merges = train_bpe('\n'.join(seen[:6000]), CONFIG['vocab_size'], specials)
    enc = Encoder(vocab, merges)
    stream = torch.tensor([t for s in seen for t in [1] + enc(s)], dtype=torch.long)
    print('tokens', len(stream), 'per report', len(stream) / len(seen), flush=True)
    torch.manual_seed(seed)
    model = Model(CONFIG).to(device)
    opt = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05, betas=(0.9, 0.98))
    T, B, g = 128, 32, torch.Generator().manual_seed(seed)
    stream = stream.to(device)
    for s in range(steps):
        for pg in opt.param_groups:
            pg['lr'] = 3e-3 * min(1, (s + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * s / steps)))
        at = torch.randint(0, len(stream) - T - 1, (B,), generator=g).to(device)
        w = stream[at[:, None] + torch.arange(T + 1, device=device)]
        loss = F.cross_entropy(model(w[:, :-1]).flatten(0, 1), w[:, 1:].flatten())
        opt.zero_grad(); loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        if s % 500 == 0 or s == steps - 1:
            print('language', s, loss.item(), flush=True)
    t = {'model.embed_tokens.weight': model.embed.weight}
    for i, b in enumerate(model.blocks):
        p = f'model.layers.{i}.'
        t |= {p + 'input_layernorm.weight': b.n1, p + 'self_attn.q_proj.weight': b.q.weight, p + 'self_attn.k_proj.weight': b.k.weight,
              p + 'self_attn.v_proj.weight': b.v.weight, p + 'self_attn.o_proj.weight': b.o.weight, p + 'post_attention_layernorm.weight': b.n2,
              p + 'mlp.gate_proj.weight': b.gate.weight, p + 'mlp.up_proj.weight': b.up.weight, p + 'mlp.down_proj.weight': b.down.weight}
    t |= {'model.norm.weight': model.norm, 'lm_head.weight': model.head.weight}
    save_safetensors(f'{out}/model.safetensors', {n: p.detach().cpu().float().numpy() for n, p in t.items()})
    cfg = dict(architectures=['LlamaForCausalLM'], model_type='llama', hidden_act='silu', tie_word_embeddings=False, attention_bias=False, mlp_bias=False,
               bos_token_id=1, eos_token_id=2, torch_dtype='float32', **CONFIG)
    json.dump(cfg, open(f'{out}/config.json', 'w'), indent=1)
    json.dump(tokenizer_json(vocab, merges, specials), open(f'{out}/tokenizer.json', 'w'), ensure_ascii=False)
    json.dump(dict(tokenizer_class='PreTrainedTokenizerFast', bos_token='<s>', eos_token='</s>', unk_token='<unk>', add_bos_token=True), open(f'{out}/tokenizer_config.json', 'w'))
    open(f'{out}/valid.txt', 'w').write('\n<|endoftext|>\n'.join(valid) + '\n')
    open(f'{out}/calibrate.txt', 'w').write('\n<|endoftext|>\n'.join(calib) + '\n')


KINDS = 'disc ring square triangle cross stripes checker star crescent spiral'.split()


def drawing(kind, r, n=32):
    """One 3 x 32 x 32 drawing of a kind: any place, size, turn and colours, on a noisy background with a distractor line."""
    y, x = np.mgrid[0:n, 0:n].astype(np.float32)
    cx, cy, s, a = r.uniform(11, 21), r.uniform(11, 21), r.uniform(6, 11), r.uniform(0, 2 * np.pi)
    u = ((x - cx) * np.cos(a) + (y - cy) * np.sin(a)) / s
    v = (-(x - cx) * np.sin(a) + (y - cy) * np.cos(a)) / s
    d, th = np.hypot(u, v), np.arctan2(v, u)
    box = np.maximum(abs(u), abs(v)) < 0.85
    m = {
        'disc': d < 0.9, 'ring': abs(d - 0.75) < 0.22, 'square': box,
        'triangle': (v > -0.6) & (v < 0.9 - 1.7 * abs(u)), 'cross': ((abs(u) < 0.3) | (abs(v) < 0.3)) & (np.maximum(abs(u), abs(v)) < 1),
        'stripes': box & (np.sin(u * 9) > 0), 'checker': box & (np.sin(u * 6) * np.sin(v * 6) > 0),
        'star': d < 0.62 + 0.36 * np.cos(5 * th), 'crescent': (d < 0.95) & (np.hypot(u - 0.45, v) > 0.75),
        'spiral': (d < 1.05) & (np.sin(th + 7 * d) > 0.25),
    }[kind].astype(np.float32)
    fore, back = r.uniform(0, 1, 3), r.uniform(0, 1, 3)
    if abs(fore - back).sum() < 0.5:
        fore = 1 - back
    img = back[:, None, None] * (1 - m) + fore[:, None, None] * m
    k, o = r.uniform(-1.5, 1.5), r.uniform(4, 28)
    line = abs(y - o - k * (x - 16)) < r.uniform(0.4, 1.0)
    img = np.where(line, r.uniform(0, 1, 3)[:, None, None], img)
    img = img + r.normal(0, r.uniform(0.05, 0.24), img.shape) + np.linspace(-1, 1, n)[None, None, :] * r.uniform(-0.2, 0.2)
    return (np.clip(img, 0, 1) * 255).astype(np.uint8)


def drawings(count, seed):
    r = np.random.default_rng(seed)
    labels = r.integers(0, 10, count)
    return np.stack([drawing(KINDS[k], r) for k in labels]), labels.astype(np.int64)


PLAN = [(3, 16, 1), *[(16, 16, 1)] * 4, (16, 32, 2), *[(32, 32, 1)] * 3, (32, 64, 2), *[(64, 64, 1)] * 3]  # 13 convolutions, 3 x 3


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.convs = torch.nn.ModuleList(torch.nn.Conv2d(i, o, 3, s, 1, bias=False) for i, o, s in PLAN)
        self.norms = torch.nn.ModuleList(torch.nn.BatchNorm2d(o) for _, o, _ in PLAN)
        self.skips = torch.nn.ModuleDict({'5': torch.nn.Conv2d(16, 32, 1, 2), '9': torch.nn.Conv2d(32, 64, 1, 2)})
        self.fc = torch.nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.norms[0](self.convs[0](x)))
        for i in range(1, 13, 2):
            y = F.relu(self.norms[i](self.convs[i](x)))
            y = self.norms[i + 1](self.convs[i + 1](y))
            x = F.relu(y + (self.skips[str(i)](x) if str(i) in self.skips else x))
        return self.fc(x.mean((2, 3)))


def vision_onnx(net, path):
    import onnx
    from onnx import helper as h, numpy_helper as nh
    nodes, weights = [], []
    put = lambda name, t: weights.append(nh.from_array(t.detach().cpu().float().numpy(), name)) or name

    def conv(name, c, n, x):
        w, b = c.weight.double(), (c.bias.double() if c.bias is not None else 0)
        if n is not None:
            g = n.weight.double() / torch.sqrt(n.running_var.double() + n.eps)
            w, b = w * g[:, None, None, None], n.bias.double() + (b - n.running_mean.double()) * g
        k = w.shape[-1]
        nodes.append(h.make_node('Conv', [x, put(name + '.weight', w), put(name + '.bias', b)], [name], name=name, kernel_shape=[k, k],
                                 pads=[k // 2] * 4, strides=list(c.stride)))
        return name

    def op(kind, ins, name, **attrs):
        nodes.append(h.make_node(kind, ins, [name], name=name, **attrs))
        return name

    x = op('Relu', [conv('stem', net.convs[0], net.norms[0], 'image')], 'stem.relu')
    for b, i in enumerate(range(1, 13, 2)):
        p = f'blocks.{b}'
        y = op('Relu', [conv(p + '.conv1', net.convs[i], net.norms[i], x)], p + '.relu1')
        y = conv(p + '.conv2', net.convs[i + 1], net.norms[i + 1], y)
        s = conv(p + '.skip', net.skips[str(i)], None, x) if str(i) in net.skips else x
        x = op('Relu', [op('Add', [y, s], p + '.add')], p + '.relu2')
    x = op('Flatten', [op('GlobalAveragePool', [x], 'pool')], 'features')
    op('Gemm', [x, put('fc.weight', net.fc.weight), put('fc.bias', net.fc.bias)], 'logits', transB=1)
    graph = h.make_graph(nodes, 'lathe-sample-vision', [h.make_tensor_value_info('image', 1, ['batch', 3, 32, 32])],
                         [h.make_tensor_value_info('logits', 1, ['batch', 10])], weights)
    model = h.make_model(graph, opset_imports=[h.make_opsetid('', 17)], ir_version=8, producer_name='lathe-samples')
    onnx.checker.check_model(model)
    onnx.save(model, path)


def vision(out, device, seed, epochs):
    os.makedirs(out, exist_ok=True)
    images, labels = drawings(12000, seed)
    calib, calib_labels = drawings(400, seed + 1)
    test, test_labels = drawings(800, seed + 2)
    mean, scale = 127.5, 64.0
    X = torch.tensor(images, device=device)
    Y = torch.tensor(labels, device=device)
    torch.manual_seed(seed)
    net = Net().to(device)
    opt = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.02)
    steps, B = epochs * (len(X) // 128), 128
    g = torch.Generator().manual_seed(seed)
    for s in range(steps):
        for pg in opt.param_groups:
            pg['lr'] = 3e-3 * 0.5 * (1 + math.cos(math.pi * s / steps))
        at = torch.randint(0, len(X), (B,), generator=g).to(device)
        x = (X[at].float() - mean) / scale
        if s & 1:
            x = x.flip(3)
        loss = F.cross_entropy(net(x), Y[at], label_smoothing=0.05)
        opt.zero_grad(); loss.backward(); opt.step()
        if s % 250 == 0 or s == steps - 1:
            print('vision', s, loss.item(), flush=True)
    net.eval()
    with torch.no_grad():
        hit = (net((torch.tensor(test, device=device).float() - mean) / scale).argmax(1).cpu().numpy() == test_labels).mean()
    print('vision top-1', hit, flush=True)
    vision_onnx(net, f'{out}/model.onnx')
    for name, a in [('test_images', test), ('calibrate_images', calib)]:
        np.save(f'{out}/{name}.npy', a)
    np.save(f'{out}/test_labels.npy', test_labels)
    np.save(f'{out}/calibrate_labels.npy', calib_labels)


if __name__ == '__main__':
    a = argparse.ArgumentParser()
    a.add_argument('out')
    a.add_argument('--part', default='all', choices=['language', 'vision', 'all'])
    a.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    a.add_argument('--seed', type=int, default=0)
    a.add_argument('--steps', type=int, default=1800)
    a.add_argument('--epochs', type=int, default=8)
    a = a.parse_args()
    if a.part != 'vision':
        language(f'{a.out}/language', a.device, a.seed, a.steps)
    if a.part != 'language':
        vision(f'{a.out}/vision', a.device, a.seed, a.epochs)

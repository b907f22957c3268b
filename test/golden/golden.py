# What the reference scripts beside this file share: the formula of the weights (the tests repeat it, so no weights are
# stored), a record of the shapes that were asked for, and writing a case.
#   Weights are multiples of 1/512 in [-0.25, 0.25), gains of norms 1 + multiples of 1/16: exact in bfloat16 and float16.
import json, math, os
import numpy as np

FOLDER = os.path.dirname(os.path.abspath(__file__))


def steps(name, count):
    state = 2166136261
    for byte in name.encode():                       # FNV-1a
        state = ((state ^ byte) * 16777619) % 2**32
    out = np.empty(count)
    for i in range(count):                           # linear congruential generator, upper eight bits
        state = (1664525 * state + 1013904223) % 2**32
        out[i] = (state >> 24) - 128
    return out


def is_gain(name):
    module, _, last = name.rpartition('.')
    return last in ('weight', 'gamma') and ('norm' in module.lower() or 'layrnorm' in module)


def weight(name, shape):
    values = steps(name, math.prod(shape))
    return (1 + np.floor(values / 16) / 16 if is_gain(name) else values / 512).reshape(shape)


class Weights:
    def __init__(self): self.shapes = {}
    def __call__(self, name, *shape):
        self.shapes[name] = list(shape)
        return weight(name, shape)
    def linear(self, x, module, rows, cols, bias=True):
        y = x @ self(module + '.weight', rows, cols).T
        return y + self(module + '.bias', rows) if bias else y
    def norm(self, x, module, eps, names=('weight', 'bias')):
        width = x.shape[-1]
        gain, shift = self(f'{module}.{names[0]}', width), self(f'{module}.{names[1]}', width)
        mean = x.mean(axis=-1, keepdims=True)
        variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
        return (x - mean) / np.sqrt(variance + eps) * gain + shift


erf = np.vectorize(math.erf)
ACTIVATIONS = {
    'gelu': lambda x: x * 0.5 * (1 + erf(x / math.sqrt(2))),
    'gelu_new': lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3))),
    'quick_gelu': lambda x: x / (1 + np.exp(-1.702 * x)),
    'relu': lambda x: np.maximum(x, 0),
    'silu': lambda x: x / (1 + np.exp(-x)),
}
ACTIVATIONS['gelu_pytorch_tanh'] = ACTIVATIONS['gelu_new']


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def attention(q, k, v, heads, bias):                 # one head and one query at a time; bias[head, i, j] or -inf
    n, width = q.shape
    d = width // heads
    out = np.zeros((n, width))
    for head in range(heads):
        at = slice(head * d, head * d + d)
        for i in range(n):
            scores = np.array([q[i, at] @ k[j, at] / math.sqrt(d) + bias(head, i, j) for j in range(len(k))])
            out[i, at] = softmax(scores) @ v[:, at]
    return out


def write(name, script, config, shapes, inputs, outputs, **more):
    rounded = {k: dict(shape=list(np.shape(v)), values=[float('%.6f' % x) for x in np.ravel(v)]) for k, v in outputs.items()}
    with open(os.path.join(FOLDER, name + '.json'), 'w') as f:
        json.dump(dict(command=f'python3 test/golden/{script}', config=config, tensors=shapes, inputs=inputs, outputs=rounded,
                       **more), f, separators=(',', ':'))
        f.write('\n')
    print(f'{name:36s}', {k: f'{np.min(v):.3f} .. {np.max(v):.3f}' for k, v in outputs.items()})

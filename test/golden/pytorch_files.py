#!/usr/bin/env python3
# Small files as torch.save writes them, and what torch itself reads from them, for test/engine/checkpoint/pytorch.test.ts.
# Needs Debian's python3-torch (1.13).
#   python3 test/golden/pytorch_files.py        writes test/golden/pytorch_files.json
import argparse, base64, collections, io, json, os, pickle
import numpy as np
import torch
from torch import nn

torch.manual_seed(5)
cases = []


def raw(tensor):
    tensor = tensor.detach().contiguous().reshape(-1)
    if tensor.dtype == torch.bfloat16: return tensor.view(torch.int16).numpy().tobytes()
    return tensor.numpy().tobytes()


def described(tensors):
    return {name: {'dtype': str(value.dtype)[6:], 'shape': list(value.shape), 'hex': raw(value).hex()}
            for name, value in tensors.items()}


def case(name, value, tensors, notices=(), refused=None, save=torch.save, **options):
    buffer = io.BytesIO()
    save(value, buffer, **options)
    entry = {'name': name, 'file': base64.b64encode(buffer.getvalue()).decode()}
    if refused: entry['refused'] = refused
    else: entry.update(tensors=described(tensors), notices=list(notices))
    cases.append(entry)


def noise(*shape): return torch.randn(*shape)


# --- element types ---
dtypes = {name: (noise(2, 3) * 50).abs().to(getattr(torch, name))
          for name in ['float32', 'float64', 'float16', 'bfloat16', 'int64', 'int32', 'int16', 'int8', 'uint8', 'complex64', 'complex128']}
dtypes['bool'] = noise(5) > 0
case('dtypes', dtypes, dtypes)
case('dtypes-legacy', dtypes, dtypes, _use_new_zipfile_serialization=False)

# --- views ---
base = torch.arange(120, dtype=torch.float32)
grid = base.reshape(2, 3, 4, 5)
views = {
    'transposed': base[:20].reshape(4, 5).t(), 'permuted': grid.permute(0, 2, 3, 1), 'stepped': base[3:90:7],
    'row': grid[1, 2], 'column': grid[:, :, 1, 3], 'scalar': base[17], 'empty': base[:0].reshape(0, 4),
    'expanded': base[:3].reshape(3, 1).expand(3, 4), 'ones': base[5:6].reshape(1, 1, 1),
    'channels_last': noise(2, 3, 4, 4).to(memory_format=torch.channels_last), 'bytes': torch.arange(40, dtype=torch.uint8)[::3],
    'complex': torch.complex(noise(3, 2), noise(3, 2)).t(),
}
case('views', views, views)
case('views-legacy', views, views, _use_new_zipfile_serialization=False)

# --- shared storages ---
embedding = noise(6, 4)
tied = {'embed.weight': embedding, 'head.weight': embedding, 'part': embedding[2:4], 'other': noise(6, 4)}
case('tied', tied, tied, ['1 tensors are the same numbers as another (tied): head.weight = embed.weight.'])
case('tied-legacy', tied, tied, ['1 tensors are the same numbers as another (tied): head.weight = embed.weight.'],
     _use_new_zipfile_serialization=False)

# --- modules' state dicts, parameters, attributes ---
network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Linear(4, 2, bias=False))
case('state-dict', network.state_dict(), network.state_dict())
case('parameters', dict(network.named_parameters()), dict(network.named_parameters()))
marked = nn.Parameter(noise(3)); marked.note = 'attribute'
plain = noise(4); plain.note = {'a': 1}
case('attributes', {'marked': marked, 'plain': plain}, {'marked': marked, 'plain': plain})
case('data-parallel', {'module.' + name: value for name, value in network.state_dict().items()}, network.state_dict(),
     ['Every name began with "module.", which a training wrapper puts there; it is left out.'])
only = noise(2, 2)
case('one-tensor', only, {'tensor': only})

# --- what training loops write ---
optimizer = torch.optim.Adam(network.parameters())
network(noise(1, 2, 6, 6)).sum().backward(); optimizer.step()
case('training', {
    'epoch': 3, 'global_step': 2**40, 'pytorch-lightning_version': '1.9.0', 'state_dict': network.state_dict(),
    'optimizer_states': [optimizer.state_dict()], 'lr_schedulers': [], 'loss': float('nan'), 'best': np.float64(0.25),
    'hyper_parameters': {'width': 4, 'rate': 1e-3}, 'args': argparse.Namespace(lr=0.1), 'done': True, 'none': None,
    'steps': [1, 2.5, 'x', (1, 2)], 'tags': {'a'}, 'big': -2**70,
    'counts': collections.Counter('aab'), 'device': torch.device('cpu'), 'dtype': torch.float16, 'bytes': b'\x00\xff',
}, network.state_dict(), ['Opened the entry "state_dict" of the checkpoint; left out: epoch, global_step, pytorch-lightning_version, optimizer_states, lr_schedulers, loss, best, hyper_parameters and 10 more.'])
case('training-legacy', {'best_prec1': 77.5, 'model': network.state_dict()}, network.state_dict(),
     ['Opened the entry "model" of the checkpoint; left out: best_prec1.'], _use_new_zipfile_serialization=False)
nested = {'encoder': {'w': noise(2), 'deep': {'b': noise(3)}}, 'decoder': [noise(1), noise(2)], 'step': 4}
case('nested', nested, {'encoder.w': nested['encoder']['w'], 'encoder.deep.b': nested['encoder']['deep']['b'],
                        'decoder.0': nested['decoder'][0], 'decoder.1': nested['decoder'][1]},
     ['1 entries that are no tensors are left out: step.'])
odd = {'dense': noise(2), 'sparse': noise(3, 3).relu().to_sparse(), 'quantized': torch.quantize_per_tensor(noise(4), 0.1, 0, torch.qint8)}
case('unreadable', odd, {'dense': odd['dense']},
     ['2 tensors of kinds that are not read (sparse, quantized, without data) are left out: sparse, quantized.'])

# --- pickle protocols ---
for protocol in [1, 2, 3, 4, 5]:
    value = collections.OrderedDict(w=noise(2, 2), text='é', **{'名': torch.ones(1)})
    case(f'protocol-{protocol}', value, {k: v for k, v in value.items() if k != 'text'},
         ['1 entries that are no tensors are left out: text.'], pickle_protocol=protocol)
    case(f'protocol-{protocol}-legacy', value, {k: v for k, v in value.items() if k != 'text'},
         ['1 entries that are no tensors are left out: text.'], pickle_protocol=protocol, _use_new_zipfile_serialization=False)

# --- what must not open ---
case('whole-module', network, {}, refused='names "torch.nn.modules.container.Sequential"')
case('whole-module-legacy', network, {}, refused='names "torch.nn.modules.container.Sequential"', _use_new_zipfile_serialization=False)
case('torchscript', torch.jit.script(nn.Linear(2, 2)), {}, refused='this is a TorchScript archive', save=torch.jit.save)
case('no-tensors', {'epoch': 1}, {}, refused='holds no tensors')

# --- plain values in every protocol ---
shared = [1, 2]
plain = {'text': "it's \"é\" 名 \\ \n\t\0", 'empty': '', 'numbers': [0, 1, 255, 256, 65535, 65536, -1, 2**31 - 1, -2**31, 2**40, -2**53 + 1],
         'floats': [0.5, -1e300, 1e-7, 3.0], 'flags': [True, False, None], 'nested': {'list': [[], [[]], {}], 'pair': (1, ('a', ()))},
         'shared': [shared, shared], 'long': 'x' * 300, '': {'key': [1]}}
pickles = [{'protocol': protocol, 'base64': base64.b64encode(pickle.dumps(plain, protocol)).decode()} for protocol in range(6)]
big = {'wide': 2**70, 'low': -2**70, 'bytes': b'\x00\xff', 'infinite': float('inf')}
pickles += [{'protocol': protocol, 'big': True, 'base64': base64.b64encode(pickle.dumps(big, protocol)).decode()} for protocol in range(3, 6)]

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'pytorch_files.json')
with open(path, 'w') as file:
    json.dump({'command': 'python3 test/golden/pytorch_files.py', 'torch': torch.__version__, 'cases': cases, 'plain': plain, 'pickles': pickles}, file, ensure_ascii=False)
    file.write('\n')
print(len(cases), os.path.getsize(path))

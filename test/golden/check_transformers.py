#!/usr/bin/env python3
# Compares the golden outputs of this folder with those of Hugging Face transformers itself: a folder is written as it would
# be on the Hub and loaded with from_pretrained, so names of tensors and defaults of configurations are checked, too. Not
# needed to run the tests. Seen with transformers 5.18.0 and torch 2.13.0 (CPU).
#   pip install torch transformers safetensors && python3 test/golden/check_transformers.py [case ...]
import glob, json, math, os, sys, tempfile
import numpy as np
import torch
import transformers
from safetensors.numpy import save_file
import golden as networks, llama_reference as decoders

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
FOLDER = os.path.dirname(os.path.abspath(__file__))


def decoder(case):                                   # llama_*.json, family_*.json
    inputs = dict(input_ids=torch.tensor(case['ids']))
    return decoders.weight, inputs, dict(logits=np.array(case['logits'])), transformers.AutoModelForCausalLM


def network(case):                                   # encoder_*.json, vision_*.json
    def value(name, rows):
        if isinstance(rows, list): return torch.tensor(rows)
        return torch.tensor((networks.steps(name, math.prod(rows['shape'])) / 64).reshape(rows['shape']))
    inputs = {name: value(name, rows) for name, rows in case['inputs'].items()}
    outputs = {name: np.array(each['values']) for name, each in case['outputs'].items()}
    return networks.weight, inputs, outputs, getattr(transformers, case['config']['architectures'][0])


def check(path, kind):
    case = json.load(open(path))
    weight, inputs, outputs, auto = kind(case)
    with tempfile.TemporaryDirectory() as place:
        json.dump(case['config'], open(f'{place}/config.json', 'w'))
        tensors = {k: np.array(weight(k, s), dtype=np.float32) for k, s in case['tensors'].items()}
        save_file(tensors, f'{place}/model.safetensors', metadata={'format': 'pt'})
        model, report = auto.from_pretrained(place, dtype=torch.float64, attn_implementation='eager', output_loading_info=True,
                                             **({'experts_implementation': 'eager'} if kind is decoder else {}))
    model.eval()
    with torch.no_grad(): found = model(**inputs)
    notes = ''.join(f'  {k}: {sorted(report[k])[:3]}' for k in ('missing_keys', 'unexpected_keys') if report[k])
    differences = []
    for name, wanted in outputs.items():
        if name == 'logits' and 'prediction_logits' in found: name = 'prediction_logits'
        if found.get(name) is None: notes += f'  no {name}'
        else: differences.append(float(np.abs(found[name].numpy().ravel() - wanted.ravel()).max()))
    return max(differences), notes


worst = 0.0
for kind, pattern in ((decoder, 'llama_'), (decoder, 'family_'), (network, 'encoder_'), (network, 'vision_')):
    for path in sorted(glob.glob(f'{FOLDER}/{pattern}*.json')):
        name = os.path.basename(path)[:-5]
        if len(sys.argv) > 1 and name not in sys.argv[1:]: continue
        try: difference, notes = check(path, kind)
        except Exception as error: difference, notes = math.inf, f'  {type(error).__name__}: {str(error)[:200]}'
        worst = max(worst, difference)
        print(f'{name:32s} differs by {difference:.1e}{notes}', flush=True)
print(f'largest difference {worst:.1e}')

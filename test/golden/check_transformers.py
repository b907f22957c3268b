#!/usr/bin/env python3
# Compares the golden logits of llama_*.json and family_*.json with those of Hugging Face transformers itself: a folder is
# written as it would be on the Hub and loaded with from_pretrained, so names of tensors and defaults of configurations are
# checked, too. Not needed to run the tests. Seen with transformers 5.18.0 and torch 2.13.0 (CPU).
#   pip install torch transformers safetensors && python3 test/golden/check_transformers.py [case ...]
import glob, json, os, sys, tempfile
import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import AutoModelForCausalLM, logging
from llama_reference import weight

logging.set_verbosity_error()
logging.disable_progress_bar()
folder = os.path.dirname(os.path.abspath(__file__))
worst = 0.0
for path in sorted(glob.glob(f'{folder}/llama_*.json') + glob.glob(f'{folder}/family_*.json')):
    name = os.path.basename(path)[:-5]
    if len(sys.argv) > 1 and name not in sys.argv[1:]: continue
    golden = json.load(open(path))
    with tempfile.TemporaryDirectory() as place:
        json.dump(golden['config'], open(f'{place}/config.json', 'w'))
        tensors = {k: np.ascontiguousarray(weight(k, s), dtype=np.float32) for k, s in golden['tensors'].items()}
        save_file(tensors, f'{place}/model.safetensors', metadata={'format': 'pt'})
        try:
            model, report = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float64, attn_implementation='eager', experts_implementation='eager',
                                                                 output_loading_info=True)
        except Exception as error:
            print(f'{name:32s} cannot be loaded: {type(error).__name__}: {str(error)[:300]}')
            continue
        missing = [k for k in report['missing_keys'] if 'vision' not in k and 'multi_modal' not in k]
        notes = ''.join(f'  {k}: {sorted(v)[:3]}' for k, v in [('missing', missing), ('unexpected', report['unexpected_keys'])] if v)
        largest = 0.0
        for ids, wanted in zip(golden['ids'], golden['logits']):
            with torch.no_grad(): logits = model(input_ids=torch.tensor([ids])).logits.numpy().ravel()
            largest = max(largest, float(np.abs(logits - np.array(wanted)).max()))
        worst = max(worst, largest)
        print(f'{name:32s} differs by {largest:.1e}{notes}', flush=True)
print(f'largest difference {worst:.1e}')

#!/usr/bin/env python3
# Golden outputs of small random text encoders, in double precision, after the papers and the layout of the published
# checkpoints; independent of Lathe's code. Needs numpy only.
#   python3 test/golden/encoder_reference.py          writes test/golden/encoder_<case>.json
import sys
sys.dont_write_bytecode = True
import numpy as np
from golden import ACTIVATIONS, Weights, attention, write


def body(w, c, ids, mask, types):
    roberta, distil = c['model_type'] in ('roberta', 'xlm-roberta'), c['model_type'] == 'distilbert'
    W, F, H, L = (c['dim'], c['hidden_dim'], c['n_heads'], c['n_layers']) if distil else \
        (c['hidden_size'], c['intermediate_size'], c['num_attention_heads'], c['num_hidden_layers'])
    eps = 1e-12 if distil else c['layer_norm_eps']
    act = ACTIVATIONS[c['activation'] if distil else c['hidden_act']]
    p, old = c.get('_prefix', ''), ('gamma', 'beta') if c.get('_old') else ('weight', 'bias')
    norm = lambda x, module: w.norm(x, module, eps, old)
    word = w(p + 'embeddings.word_embeddings.weight', c['vocab_size'], W)
    place = w(p + 'embeddings.position_embeddings.weight', c['max_position_embeddings'], W)
    if roberta:                                      # positions of tokens that are not padding count from padding + 1
        pad, positions, seen = c['pad_token_id'], [], 0
        for t in ids:
            seen += t != pad
            positions.append(pad + seen if t != pad else pad)
    else: positions = range(len(ids))
    h = np.array([word[t] + place[at] for t, at in zip(ids, positions)])
    if not distil:
        kinds = w(p + 'embeddings.token_type_embeddings.weight', c['type_vocab_size'], W)
        h = h + np.array([kinds[0 if roberta else t] for t in types])
    h = norm(h, p + 'embeddings.LayerNorm')
    bias = lambda head, i, j: 0 if mask[j] else -np.inf
    for i in range(L):
        l = f'{p}transformer.layer.{i}.' if distil else f'{p}encoder.layer.{i}.'
        q, k, v, o, n1, up, down, n2 = [l + x for x in (
            ('attention.q_lin', 'attention.k_lin', 'attention.v_lin', 'attention.out_lin', 'sa_layer_norm', 'ffn.lin1', 'ffn.lin2', 'output_layer_norm')
            if distil else
            ('attention.self.query', 'attention.self.key', 'attention.self.value', 'attention.output.dense', 'attention.output.LayerNorm',
             'intermediate.dense', 'output.dense', 'output.LayerNorm'))]
        mixed = attention(w.linear(h, q, W, W), w.linear(h, k, W, W), w.linear(h, v, W, W), H, bias)
        h = norm(h + w.linear(mixed, o, W, W), n1)
        h = norm(h + w.linear(act(w.linear(h, up, F, W)), down, W, F), n2)
    return h, word, act, norm, W


def run(c, ids, mask, types):
    w = Weights()
    h, word, act, norm, W = body(w, c, ids, mask, types)
    kind, p, V = c['architectures'][0], c.get('_prefix', ''), c['vocab_size']
    n = len(c.get('id2label', {})) or 2
    out = {}
    if kind.endswith('ForMaskedLM') or kind.endswith('ForPreTraining'):
        dense, ln, decoder, bias = {
            'bert': ('cls.predictions.transform.dense', 'cls.predictions.transform.LayerNorm', 'cls.predictions.decoder', 'cls.predictions.bias'),
            'roberta': ('lm_head.dense', 'lm_head.layer_norm', 'lm_head.decoder', 'lm_head.bias'),
            'distilbert': ('vocab_transform', 'vocab_layer_norm', 'vocab_projector', 'vocab_projector.bias')}[c['model_type']]
        x = norm(act(w.linear(h, dense, W, W)), ln)
        table = word if c.get('tie_word_embeddings', True) else w(decoder + '.weight', V, W)
        out['logits'] = x @ table.T + w(c.get('_bias', bias), V)
    elif kind.endswith('ForSequenceClassification'):
        if c['model_type'] == 'bert': x, last = np.tanh(w.linear(h[0], p + 'pooler.dense', W, W)), 'classifier'
        elif c['model_type'] == 'distilbert': x, last = np.maximum(w.linear(h[0], 'pre_classifier', W, W), 0), 'classifier'
        else: x, last = np.tanh(w.linear(h[0], 'classifier.dense', W, W)), 'classifier.out_proj'
        out['logits'] = w.linear(x, last, n, W)
    else:
        out['last_hidden_state'] = h
        if c.get('_pooler'): out['pooler_output'] = np.tanh(w.linear(h[0], p + 'pooler.dense', W, W))
        s = c.get('_sentence')
        if s:
            m = np.array(mask, float)[:, None]
            parts = {'cls': h[0], 'max': np.where(m > 0, h, -np.inf).max(axis=0), 'mean': (h * m).sum(axis=0) / m.sum(),
                     'mean-sqrt': (h * m).sum(axis=0) / np.sqrt(m.sum())}
            e = np.concatenate([parts[x] for x in s['pooling']])
            for d in s.get('dense', []):
                e = w.linear(e, d['module'], d['rows'], d['cols'], d['bias'])
                e = {'tanh': np.tanh, 'none': lambda x: x}[d['activation']](e)
            if s.get('normalised'): e = e / max(np.linalg.norm(e), 1e-12)
            out['sentence_embedding'] = e
    return out, w.shapes


BERT = dict(architectures=['BertModel'], model_type='bert', vocab_size=40, hidden_size=32, intermediate_size=44, num_hidden_layers=2,
            num_attention_heads=4, hidden_act='gelu', layer_norm_eps=1e-12, max_position_embeddings=16, type_vocab_size=2,
            pad_token_id=0, _prefix='bert.')
ROBERTA = dict(BERT, architectures=['RobertaModel'], model_type='roberta', layer_norm_eps=1e-5, max_position_embeddings=18,
               type_vocab_size=1, pad_token_id=1, _prefix='roberta.')
DISTIL = dict(architectures=['DistilBertModel'], model_type='distilbert', vocab_size=40, dim=32, hidden_dim=44, n_layers=2, n_heads=4,
              activation='gelu', max_position_embeddings=16, pad_token_id=0, _prefix='distilbert.')
labels = lambda n: {str(i): f'LABEL_{i}' for i in range(n)}
CASES = {
    'bert_masked': dict(BERT, architectures=['BertForMaskedLM']),
    'bert_masked_old': dict(BERT, architectures=['BertForPreTraining'], _old=True, hidden_act='gelu_new'),
    'bert_masked_untied': dict(BERT, architectures=['BertForMaskedLM'], tie_word_embeddings=False, hidden_act='relu', _bias='cls.predictions.decoder.bias'),
    'bert_classes': dict(BERT, architectures=['BertForSequenceClassification'], id2label=labels(3)),
    'bert_features': dict(BERT, _prefix='', _pooler=True, num_attention_heads=2),
    'bert_sentence_mean': dict(BERT, _prefix='', _sentence=dict(pooling=['mean'], normalised=True)),
    'bert_sentence_dense': dict(BERT, _prefix='', num_hidden_layers=1, _sentence=dict(pooling=['cls', 'max', 'mean-sqrt'], dense=[
        dict(module='2_Dense.linear', rows=24, cols=96, bias=True, activation='tanh'),
        dict(module='3_Dense.linear', rows=16, cols=24, bias=False, activation='none')])),
    'roberta_masked': dict(ROBERTA, architectures=['RobertaForMaskedLM']),
    'roberta_classes': dict(ROBERTA, architectures=['RobertaForSequenceClassification']),
    'xlm_features': dict(ROBERTA, architectures=['XLMRobertaModel'], model_type='xlm-roberta', _prefix='', num_hidden_layers=1),
    'distilbert_masked': dict(DISTIL, architectures=['DistilBertForMaskedLM']),
    'distilbert_classes': dict(DISTIL, architectures=['DistilBertForSequenceClassification'], id2label=labels(2)),
    'distilbert_features': dict(DISTIL, _prefix='', activation='relu'),
}
for name, c in CASES.items():
    pad = c['pad_token_id']
    ids = [[(7 * i * i + 5 * i + 3 + 11 * row) % 36 + 4 for i in range(10)] for row in range(2)]
    ids[1][7:] = [pad] * 3                           # the second text is shorter
    mask = [[1] * 10, [1] * 7 + [0] * 3]
    types = [[0] * 4 + [1] * 6, [0] * 5 + [1] * 5] if c.get('type_vocab_size') == 2 else [[0] * 10] * 2
    results = [run(c, *row) for row in zip(ids, mask, types)]
    outputs = {k: np.stack([r[0][k] for r in results]) for k in results[0][0]}
    inputs = dict(input_ids=ids, attention_mask=mask)
    if c.get('type_vocab_size') == 2: inputs['token_type_ids'] = types
    config = {k: v for k, v in c.items() if not k.startswith('_')}
    write('encoder_' + name, 'encoder_reference.py', config, results[0][1], inputs, outputs, sentence=c.get('_sentence'))

#!/usr/bin/env python3
# Small vocabularies in the forms of before tokenizer.json, and the token numbers that their reference programs give, for
# test/engine/checkpoint/vocabulary.test.ts. Needs Debian's python3-sentencepiece and the Python package tokenizers.
#   python3 test/golden/tokenizer_files.py        writes test/golden/tokenizer_files.json
import base64, io, json, os, tempfile
import sentencepiece
from tokenizers import ByteLevelBPETokenizer, BertWordPieceTokenizer, Tokenizer, Regex, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE

here = os.path.dirname(os.path.abspath(__file__))
corpus = open(os.path.join(here, '../../resources/samples/language/calibrate.txt'), encoding='utf-8').read()
texts = ['The cat sat on the mat.', ' two  blanks, and\nlines\n\n', "It's 1234 o'clock; naïve café — ½ ﬁne", 'x', '日本語 and 🙂 emoji',
         'unbelievableness UNBELIEVABLE', '', 'tabs\tand trailing ', 'a.b,c!d?e', 'don\'t I\'ll WE\'VE']
cases = []


def case(name, files, ids, framed):
    encoded = {key: base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode() for key, value in files.items()}
    cases.append({'name': name, 'files': encoded, 'texts': texts, 'ids': ids, 'framed': framed})


def saved(tokenizer, *names):
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_model(folder)
        return {name: open(os.path.join(folder, name), encoding='utf-8').read() for name in names}


# --- GPT-2 and its kin ---
byte_level = ByteLevelBPETokenizer()
byte_level.train_from_iterator(corpus.splitlines(), vocab_size=400, special_tokens=['<|endoftext|>'], show_progress=False)
files = saved(byte_level, 'vocab.json', 'merges.txt')
files['tokenizer_config.json'] = json.dumps({'tokenizer_class': 'GPT2Tokenizer', 'bos_token': '<|endoftext|>', 'eos_token': '<|endoftext|>', 'unk_token': '<|endoftext|>'})
ids = [byte_level.encode(text).ids for text in texts]
case('gpt2', files, ids, ids)
case('gpt2-bare', {key: files[key] for key in ['vocab.json', 'merges.txt']}, ids, ids)
vocab = {token: int(number) for token, number in json.loads(files['vocab.json']).items()}
merges = [tuple(line.split(' ')) for line in files['merges.txt'].split('\n')[1:] if line]

roberta = dict(vocab)
for token in ['<s>', '<pad>', '</s>', '<unk>', '<mask>']: roberta[token] = len(roberta)
reference = Tokenizer(BPE(roberta, merges, unk_token='<unk>'))
reference.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
reference.post_processor = processors.RobertaProcessing(('</s>', roberta['</s>']), ('<s>', roberta['<s>']), add_prefix_space=True)
settings = {'tokenizer_class': 'RobertaTokenizer', 'add_prefix_space': True, 'bos_token': '<s>', 'eos_token': '</s>', 'cls_token': '<s>',
            'sep_token': '</s>', 'pad_token': '<pad>', 'unk_token': '<unk>', 'mask_token': {'content': '<mask>', 'lstrip': True}}
case('roberta', {'vocab.json': json.dumps(roberta), 'merges.txt': files['merges.txt'], 'tokenizer_config.json': json.dumps(settings)},
     [reference.encode(text, add_special_tokens=False).ids for text in texts], [reference.encode(text).ids for text in texts])

pattern = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
reference = Tokenizer(BPE(vocab, merges))
reference.normalizer = normalizers.NFC()
reference.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), 'isolated'), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
ids = [reference.encode(text).ids for text in texts]
added = {'400': {'content': '<|im_start|>', 'special': True, 'lstrip': False, 'rstrip': False, 'normalized': False, 'single_word': False}}
case('qwen2', {'vocab.json': files['vocab.json'], 'merges.txt': files['merges.txt'],
               'tokenizer_config.json': json.dumps({'tokenizer_class': 'Qwen2Tokenizer', 'added_tokens_decoder': added})}, ids, ids)

# --- BERT ---
for name, lowercase in [('bert', True), ('bert-cased', False)]:
    bert = BertWordPieceTokenizer(lowercase=lowercase)
    bert.train_from_iterator(corpus.splitlines(), vocab_size=500, show_progress=False)
    files = saved(bert, 'vocab.txt')
    if not lowercase: files['tokenizer_config.json'] = json.dumps({'do_lower_case': False, 'tokenizer_class': 'BertTokenizer'})
    lines = files['vocab.txt'].rstrip('\n').split('\n')
    cls, sep = lines.index('[CLS]'), lines.index('[SEP]')
    ids = [bert.encode(text, add_special_tokens=False).ids for text in texts]
    case(name, files, ids, [[cls, *each, sep] for each in ids])

# --- SentencePiece ---
def trained(**options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(corpus.splitlines()), model_writer=model, minloglevel=2, **options)
    return model.getvalue(), sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())

model, processor = trained(model_type='bpe', vocab_size=600, byte_fallback=True, normalization_rule_name='identity',
                           remove_extra_whitespaces=False, character_coverage=0.99995, split_digits=True)
ids = [processor.encode(text) for text in texts]
# The library's own rule for nothing: no dummy prefix on an empty text.
config = {'tokenizer_class': 'LlamaTokenizer', 'bos_token': '<s>', 'eos_token': '</s>', 'unk_token': '<unk>', 'add_bos_token': True}
case('llama', {'tokenizer.model': model, 'tokenizer_config.json': json.dumps(config)}, ids, [[processor.bos_id(), *each] for each in ids])
case('llama-bare', {'tokenizer.model': model}, ids, [[processor.bos_id(), *each] for each in ids])

model, processor = trained(model_type='unigram', vocab_size=260, normalization_rule_name='identity', pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
ids = [processor.encode(text) for text in texts]
case('t5', {'spiece.model': model, 'tokenizer_config.json': json.dumps({'tokenizer_class': 'T5Tokenizer', 'eos_token': '</s>', 'unk_token': '<unk>', 'pad_token': '<pad>'})},
     ids, [[*each, 1] for each in ids])

model, processor = trained(model_type='unigram', vocab_size=260, normalization_rule_name='identity')  # <unk> 0, <s> 1, </s> 2
ids = [[3 if number == 0 else number + 1 for number in processor.encode(text)] for text in texts]
case('xlm-roberta', {'sentencepiece.bpe.model': model, 'tokenizer_config.json': json.dumps({'tokenizer_class': 'XLMRobertaTokenizer'})},
     ids, [[0, *each, 2] for each in ids])

path = os.path.join(here, 'tokenizer_files.json')
with open(path, 'w') as file:
    json.dump({'command': 'python3 test/golden/tokenizer_files.py', 'cases': cases}, file, ensure_ascii=False)
    file.write('\n')
print(len(cases), os.path.getsize(path))

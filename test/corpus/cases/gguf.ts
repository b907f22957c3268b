// Hostile GGUF files (GG01 .. GG22, ST20), each one change away from a well-formed one.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join as pathJoin } from 'node:path'
import {
  floats,
  ggufFile,
  type GgufParts,
  join,
  list,
  text,
  u32,
  u64,
  type Value,
  type WrittenTensor,
} from '../../helpers/gguf.ts'
import { file, files, lfsPointer, type Make } from './make.ts'

type Pairs = (readonly [string, Value])[]
const [width, inner, vocabulary] = [8, 16, 6]

const pairs: Pairs = [
  ['general.architecture', { text: 'llama' }],
  ['llama.block_count', { u32: 1 }],
  ['llama.context_length', { u32: 32 }],
  ['llama.embedding_length', { u32: width }],
  ['llama.feed_forward_length', { u32: inner }],
  ['llama.attention.head_count', { u32: 2 }],
  ['llama.attention.layer_norm_rms_epsilon', { f32: 1e-5 }],
  ['tokenizer.ggml.model', { text: 'llama' }],
  ['tokenizer.ggml.tokens', { texts: ['<unk>', '<s>', '</s>', '<0x0A>', '▁', 'a'] }],
  ['tokenizer.ggml.token_type', { i32s: [2, 3, 3, 6, 1, 1] }],
  ['tokenizer.ggml.scores', { f32s: [0, 0, 0, 0, -1, -2] }],
]

const tensor = (name: string, ...dims: number[]): WrittenTensor => ({
  name,
  type: 0,
  dims,
  data: floats(new Float32Array(dims.reduce((product, size) => product * size, 1)).fill(0.25)),
})
const tensors: WrittenTensor[] = [
  tensor('token_embd.weight', width, vocabulary),
  tensor('blk.0.attn_norm.weight', width),
  ...['q', 'k', 'v', 'output'].map((which) => tensor(`blk.0.attn_${which}.weight`, width, width)),
  tensor('blk.0.ffn_norm.weight', width),
  tensor('blk.0.ffn_gate.weight', width, inner),
  tensor('blk.0.ffn_up.weight', width, inner),
  tensor('blk.0.ffn_down.weight', inner, width),
  tensor('output_norm.weight', width),
]
const good: GgufParts = { pairs, tensors }
const goodBytes = () => ggufFile(good)

const gguf = (parts: GgufParts, name = 'model.gguf'): Make => file(name, () => ggufFile({ ...good, ...parts }))
/** The well-formed metadata with some values replaced or added. */
const changed = (changes: Record<string, Value>): Make =>
  gguf({ pairs: [...pairs.filter(([key]) => !(key in changes)), ...Object.entries(changes)] })
/** Counts and metadata as given, byte by byte. */
const raw = (...bytes: Uint8Array[]): Make =>
  file('model.gguf', () => join(Buffer.from('GGUF'), u32(3), u64(0), u64(1), ...bytes, new Uint8Array(64)))
const value = (bytes: Uint8Array, type: number): Make => changed({ 'x.y': { type, bytes } })
/** One more tensor behind the others. */
const more = (last: Partial<WrittenTensor>): Make =>
  gguf({ tensors: [...tensors, { name: 'extra', type: 0, dims: [4], data: floats([1, 2, 3, 4]), ...last }] })
const aligned = (alignment: Value): Make => changed({ 'general.alignment': alignment })
const endless = (1n << 64n) - 1n

const part = (no: number, count: number, more: Pairs, own: WrittenTensor[], total = tensors.length) =>
  ggufFile({
    pairs: [
      ['split.no', { u16: no }],
      ['split.count', { u16: count }],
      ['split.tensors.count', { i32: total }],
      ...more,
    ],
    tensors: own,
  })
const partName = (no: number) => `model-0000${no}-of-00003.gguf`
const parts = () => ({
  [partName(1)]: part(0, 3, pairs, tensors.slice(0, 4)),
  [partName(2)]: part(1, 3, [], tensors.slice(4, 8)),
  [partName(3)]: part(2, 3, [], tensors.slice(8)),
})
const without = (name: string) => Object.fromEntries(Object.entries(parts()).filter(([each]) => each !== name))
const template = (content: string): Make => changed({ 'tokenizer.chat_template': { text: content } })
const tokens = (texts: string[], types: number[]): Make =>
  changed({ 'tokenizer.ggml.tokens': { texts }, 'tokenizer.ggml.token_type': { i32s: types } })

export const ggufCases: Record<string, Make> = {
  'GG00-good': gguf({}),
  'GG00-version-2': gguf({ version: 2 }),
  'GG00-no-tensors': gguf({ tensors: [] }),
  'GG00-unknown-architecture': changed({ 'general.architecture': { text: 'future' } }),
  'GG00-without-architecture': gguf({ pairs: pairs.slice(1) }),
  'GG00-trailing-bytes': gguf({ tail: new Uint8Array(100) }),
  'GG00-tensor-missing': gguf({ tensors: tensors.slice(0, -1) }),
  'GG00-odd-tensor': more({}),
  'GG00-as-safetensors': gguf({}, 'model.safetensors'),
  'GG01-sixteen-bytes': file('model.gguf', Buffer.from('GGUF\x03\0\0\0\x7b\0\0\0\0\0\0\0', 'latin1')),
  'GG01-wrong-magic': gguf({ magic: 'FUGG' }),
  'GG01-text': file('model.gguf', 'this is not a model, whatever its name says'),
  'GG01-version-0': gguf({ version: 0 }),
  'GG01-version-1': gguf({ version: 1 }),
  'GG01-version-4': gguf({ version: 4 }),
  'GG01-big-endian': gguf({ version: 0x03000000 }),
  'GG02-tensors-all-ones': gguf({ tensorCount: endless }),
  'GG02-tensors-sign-bit': gguf({ tensorCount: 1n << 63n }),
  'GG02-tensors-ten-million': gguf({ tensorCount: 10_000_001 }),
  'GG02-tensors-more-than-fit': gguf({ tensorCount: 200_000 }),
  'GG03-pairs-all-ones': gguf({ pairCount: endless }),
  'GG03-pairs-too-many': gguf({ pairCount: 100_001 }),
  'GG03-pairs-more-than-fit': gguf({ pairCount: 90_000 }),
  'GG04-key-all-ones': raw(u64(endless)),
  'GG04-key-sign-bit': raw(u64(1n << 63n)),
  'GG04-key-beyond-file': raw(u64(1000)),
  'GG04-key-empty': gguf({ pairs: [['', { u32: 1 }]] }),
  'GG04-key-twice': gguf({ pairs: [...pairs, ['llama.block_count', { u32: 2 }]] }),
  'GG05-text-one-gibibyte': raw(text('a'), u32(8), u64(1 << 30)),
  'GG05-text-all-ones': raw(text('a'), u32(8), u64(endless)),
  'GG06-type-13': value(new Uint8Array(8), 13),
  'GG06-type-minus-one': value(new Uint8Array(8), 0xffffffff),
  'GG06-lists-of-lists': value(join(u32(9), u64(1), u32(9), u64(1), u32(9), u64(1), u32(0), u64(0)), 9),
  'GG06-list-of-type-99': value(join(u32(99), u64(1), new Uint8Array(8)), 9),
  'GG06-list-2-to-61': changed({ 'x.y': list(4, [], 1n << 61n) }),
  'GG06-list-of-texts-beyond-file': changed({ 'x.y': list(8, [text('a')], 4_000_000) }),
  'GG06-list-of-numbers-beyond-file': changed({ 'x.y': list(4, [u32(1)], 60_000_000) }),
  'GG07-bool-7': changed({ 'x.y': { bool: 7 } }),
  'GG07-text-not-utf8': value(text(Uint8Array.of(0x61, 0xff, 0xfe)), 8),
  'GG07-key-with-nul': gguf({ pairs: [['a\0b', { u32: 1 }]] }),
  'GG07-key-not-utf8': raw(text(Uint8Array.of(0xc0, 0xaf)), u32(4), u32(1)),
  'GG08-alignment-0': aligned({ u32: 0 }),
  'GG08-alignment-13': aligned({ u32: 13 }),
  'GG08-alignment-2-to-31': aligned({ u32: 2 ** 31 }),
  'GG08-alignment-2-mebibytes': aligned({ u32: 1 << 21 }),
  'GG08-alignment-signed': aligned({ i32: 32 }),
  'GG08-alignment-text': aligned({ text: '32' }),
  'GG08-alignment-64': gguf({ pairs: [...pairs, ['general.alignment', { u32: 64 }]], alignment: 64 }),
  'GG09-five-dimensions': more({ dims: [4, 1, 1, 1, 1] }),
  'GG09-dimensions-all-ones': gguf({
    tensorCount: 1,
    tensors: [],
    tail: join(text('t'), u32(0xffffffff), new Uint8Array(64)),
  }),
  'GG09-no-dimensions': more({ dims: [], data: floats([1]) }),
  'GG10-dimension-minus-one': more({ dims: [endless] }),
  'GG10-dimension-zero': more({ dims: [4, 0], data: new Uint8Array(0) }),
  'GG11-stride-wraps': more({ dims: [1152, (1n << 42n) + 1n] }),
  'GG12-padding-wraps': more({ dims: [4, 1073741823, 1073741825] }),
  'GG13-sizes-overflow': gguf({
    tensors: ['a', 'b'].map((name) => ({ name, type: 24, dims: [0x7fffffffffffffc0n] })),
  }),
  'GG14-type-4': more({ type: 4 }),
  'GG14-type-5': more({ type: 5 }),
  'GG14-type-31': more({ type: 31 }),
  'GG14-type-minus-one': more({ type: 0xffffffff }),
  'GG14-type-9999': more({ type: 9999 }),
  'GG15-rows-not-whole-blocks': more({ type: 12, dims: [255, 2], data: new Uint8Array(288) }),
  'GG16-offset-unaligned': more({ offset: 3 }),
  'GG16-offset-hole': more({ offset: 1 << 20 }),
  'GG16-offset-overlap': more({ offset: 0 }),
  'GG16-offset-all-ones': more({ offset: endless }),
  'GG17-one-byte-short': file('model.gguf', () => goodBytes().slice(0, -1)),
  'GG17-a-tenth-left': file('model.gguf', () => goodBytes().slice(0, goodBytes().length / 10)),
  'GG17-tensors-gone': file('model.gguf', () => goodBytes().slice(0, -2000)),
  'GG18-name-64-bytes': more({ name: 'n'.repeat(64) }),
  'GG18-name-twice': more({ name: 'token_embd.weight' }),
  'GG18-name-empty': more({ name: '' }),
  'GG18-name-leaves-folder': more({ name: '../../etc/passwd' }),
  'GG18-name-with-newline': more({ name: 'a\nb' }),
  'GG19-blocks-513': changed({ 'llama.block_count': { u32: 513 } }),
  'GG19-blocks-2-to-31': changed({ 'llama.block_count': { u32: 2 ** 31 } }),
  'GG19-heads-0': changed({ 'llama.attention.head_count': { u32: 0 } }),
  'GG19-key-heads-3': changed({ 'llama.attention.head_count_kv': { u32: 3 } }),
  'GG19-width-of-another-model': changed({ 'llama.embedding_length': { u32: 4096 } }),
  'GG19-context-text': changed({ 'llama.context_length': { text: '32' } }),
  'GG19-epsilon-not-a-number': changed({ 'llama.attention.layer_norm_rms_epsilon': { f32: Number.NaN } }),
  'GG19-experts-without-tensors': changed({ 'llama.expert_count': { u32: 2 }, 'llama.expert_used_count': { u32: 1 } }),
  'GG19-experts-half-a-million': changed({
    'llama.block_count': { u32: 512 },
    'llama.expert_count': { u32: 1024 },
    'llama.expert_used_count': { u32: 1 },
  }),
  'GG20-byte-token-minus-one': tokens(['<unk>', '<s>', '</s>', '<0x-1>', '▁', 'a'], [2, 3, 3, 6, 1, 1]),
  'GG20-byte-token-zz': tokens(['<unk>', '<s>', '</s>', '<0xZZ>', '▁', 'a'], [2, 3, 3, 6, 1, 1]),
  'GG20-types-shorter': changed({ 'tokenizer.ggml.token_type': { i32s: [2, 3, 3] } }),
  'GG20-scores-shorter': changed({ 'tokenizer.ggml.scores': { f32s: [0] } }),
  'GG20-tokens-no-texts': changed({ 'tokenizer.ggml.tokens': { i32s: [1, 2] } }),
  'GG20-token-not-utf8': changed({
    'tokenizer.ggml.tokens': list(8, [0, 1, 2, 3, 4].map(() => text('a')).concat(text(Uint8Array.of(0xff)))),
  }),
  'GG20-unknown-beyond-list': changed({ 'tokenizer.ggml.unknown_token_id': { u32: 99 } }),
  'GG20-unknown-model': changed({ 'tokenizer.ggml.model': { text: 'rwkv' } }),
  'GG20-unknown-pre': changed({
    'tokenizer.ggml.model': { text: 'gpt2' },
    'tokenizer.ggml.pre': { text: 'of tomorrow' },
    'tokenizer.ggml.merges': { texts: [] },
  }),
  'GG20-merges-missing': changed({ 'tokenizer.ggml.model': { text: 'gpt2' }, 'tokenizer.ggml.pre': { text: 'gpt-2' } }),
  'GG20-one-long-token': tokens(['<unk>', '<s>', '</s>', '<0x0A>', 'a', 'a'.repeat(1 << 20)], [2, 3, 3, 6, 1, 1]),
  'GG20-good': gguf({}),
  'GG21-template-long-loop': template('{% for i in range(1000000000) %}x{% endfor %}'),
  'GG21-template-nested-loops': template(
    '{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}',
  ),
  'GG21-template-deep': template('{% if true %}'.repeat(10_000) + '{% endif %}'.repeat(10_000)),
  'GG22-set': files(parts()),
  'GG22-set-by-part-2': (folder) => pathJoin(files(parts())(folder), partName(2)),
  'GG22-part-2-missing': files(without(partName(2))),
  'GG22-part-1-missing': (folder) => pathJoin(files(without(partName(1)))(folder), partName(3)),
  'GG22-part-renamed': (folder) => {
    writeFileSync(pathJoin(folder, 'first.gguf'), part(0, 3, pairs, tensors.slice(0, 4)))
    return pathJoin(folder, 'first.gguf')
  },
  'GG22-count-conflicts': files({ ...parts(), [partName(2)]: part(1, 2, [], tensors.slice(4, 8)) }),
  'GG22-number-conflicts': files({ ...parts(), [partName(3)]: part(1, 3, [], tensors.slice(8)) }),
  'GG22-metadata-conflicts': files({
    ...parts(),
    [partName(2)]: part(1, 3, [['general.architecture', { text: 'gpt2' }]], tensors.slice(4, 8)),
  }),
  'GG22-tensor-in-two-parts': files({ ...parts(), [partName(3)]: part(2, 3, [], tensors.slice(7)) }),
  'GG22-tensors-too-few': files({ ...parts(), [partName(3)]: part(2, 3, [], tensors.slice(9)) }),
  'GG22-set-of-99999': (folder) => {
    writeFileSync(pathJoin(folder, 'model-00001-of-99999.gguf'), goodBytes())
    return folder
  },
  'GG22-part-links-out': (folder) => {
    mkdirSync(pathJoin(folder, 'inside'))
    const all = parts()
    writeFileSync(pathJoin(folder, 'outside.gguf'), all[partName(2)] as Uint8Array)
    for (const no of [1, 3]) writeFileSync(pathJoin(folder, 'inside', partName(no)), all[partName(no)] as Uint8Array)
    symlinkSync(pathJoin(folder, 'outside.gguf'), pathJoin(folder, 'inside', partName(2)))
    return pathJoin(folder, 'inside')
  },
  'GG22-two-models': files({ 'a.gguf': goodBytes(), 'b.gguf': goodBytes() }),
  'GG22-one-model': files({ 'a.gguf': goodBytes(), 'README.md': '# a model' }),
  'ST20-lfs-gguf': file('model.gguf', lfsPointer),
  'ST20-web-page-gguf': file('model.gguf', '<!DOCTYPE html><html><body>log in</body></html>'),
  'ST20-empty-gguf': file('model.gguf', ''),
}

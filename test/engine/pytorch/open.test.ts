// Folders of pickles open as folders of safetensors do; checksums, tied tensors and element types of newer versions.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { bytesRange } from '../../../src-main/engine/checkpoint/onnx/wire.ts'
import { readPytorch } from '../../../src-main/engine/checkpoint/pytorch/read.ts'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { archive, dict, global, int, pickle, protocol2, sixFloats, tensor, text, tuple } from '../../corpus/pickle.ts'

const base = mkdtempSync(join(tmpdir(), 'lathe-pytorch-'))
afterAll(() => rmSync(base, { recursive: true }))
const sample = resolve('resources/samples/language')

/** The tensors of a network as torch.save would write them, those that `tied` names on the storage of another. */
function archiveOf(network: Network, names: readonly string[], tied: Record<string, string> = {}): Uint8Array {
  const storages: Record<string, Uint8Array> = {}
  const entry = (name: string, key: string): [string, string] => {
    const shape = network.source.tensors.get(tied[name] ?? name)?.shape ?? []
    const numel = shape.reduce((product, size) => product * size, 1)
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1))
    return [text(name), tensor({ key, numel, shape, strides })]
  }
  const own = [...names, ...Object.keys(tied)]
  const keyOf = (name: string) => String(own.indexOf(tied[name] ?? name))
  for (const name of names) storages[keyOf(name)] = network.source.read(name)
  const pairs = own.map((name) => entry(name, keyOf(name)))
  return archive({ program: pickle(protocol2, dict(...pairs), '.'), storages })
}

const copyOf = (name: string): string => {
  const folder = join(base, name)
  mkdirSync(folder)
  for (const file of ['config.json', 'tokenizer.json']) cpSync(join(sample, file), join(folder, file))
  return folder
}

const plain = ({ graph, layers, blocks, head, family, task }: Network) => ({
  nodes: graph?.nodes.length,
  layers: layers.map(({ name, role, shape, bytes }) => ({ name, role, shape, bytes })),
  blocks,
  head,
  family,
  task,
})

test('a folder of sharded pickles has the graph and the numbers of its safetensors twin', () => {
  const twin = openNetwork(sample)
  const names = [...twin.source.tensors.keys()]
  const folder = copyOf('shards')
  const shards = [names.slice(0, 7), names.slice(7)]
  const fileOf = (index: number) => `pytorch_model-0000${index + 1}-of-00002.bin`
  for (const [index, shard] of shards.entries()) writeFileSync(join(folder, fileOf(index)), archiveOf(twin, shard))
  const map = Object.fromEntries(shards.flatMap((shard, index) => shard.map((name) => [name, fileOf(index)])))
  writeFileSync(join(folder, 'pytorch_model.bin.index.json'), JSON.stringify({ metadata: {}, weight_map: map }))
  for (const path of [folder, join(folder, fileOf(1))]) {
    const network = openNetwork(path)
    expect(network.format).toBe('pytorch')
    expect(network.files.map((file) => file.slice(folder.length + 1))).toContain('pytorch_model.bin.index.json')
    expect(plain(network)).toEqual(plain(twin))
    for (const name of names) expect(Buffer.compare(network.source.read(name), twin.source.read(name)), name).toBe(0)
    network.source.close()
  }
  twin.source.close()
})

test('without an index the numbers in the names tell what belongs together', () => {
  const twin = openNetwork(sample)
  const names = [...twin.source.tensors.keys()]
  const folder = copyOf('numbered')
  writeFileSync(join(folder, 'pytorch_model-00001-of-00002.bin'), archiveOf(twin, names.slice(0, 5)))
  writeFileSync(join(folder, 'pytorch_model-00002-of-00002.bin'), archiveOf(twin, names.slice(5)))
  writeFileSync(join(folder, 'training_args.bin'), pickle(protocol2, global('os', 'system'), '.'))
  const network = openNetwork(folder)
  expect(plain(network)).toEqual(plain(twin))
  network.source.close()
  twin.source.close()
})

test('safetensors are preferred where a folder has both', () => {
  const folder = copyOf('both')
  cpSync(join(sample, 'model.safetensors'), join(folder, 'model.safetensors'))
  writeFileSync(join(folder, 'pytorch_model.bin'), 'never looked at')
  const network = openNetwork(folder)
  expect(network.format).toBe('safetensors')
  network.source.close()
})

test('a tied head is one layer, told in a notice', () => {
  const twin = openNetwork(sample)
  const names = [...twin.source.tensors.keys()].filter((name) => name !== 'lm_head.weight')
  const folder = copyOf('tied')
  const config = JSON.parse(readFileSync(join(sample, 'config.json'), 'utf8')) as object
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, tie_word_embeddings: true }))
  const tied = { 'lm_head.weight': 'model.embed_tokens.weight' }
  writeFileSync(join(folder, 'pytorch_model.bin'), archiveOf(twin, names, tied))
  const network = openNetwork(folder)
  expect(network.layers.map(({ name }) => name)).not.toContain('lm_head.weight')
  expect(network.notices).toContainEqual(
    '1 tensors are the same numbers as another (tied): lm_head.weight = model.embed_tokens.weight.',
  )
  expect(Buffer.compare(network.source.read('lm_head.weight'), twin.source.read('model.embed_tokens.weight'))).toBe(0)
  network.source.close()
  twin.source.close()
})

/** What PyTorch 2 writes for a type that has no storage of its own: bytes, and the dtype beside them. */
const typed = (dtype: string, shape: number[], strides: number[], bytes: number) => {
  const from = `${tuple(text('storage'), global('torch.storage', 'UntypedStorage'), text('0'), text('cpu'), int(bytes))}Q`
  const sizes = tuple(...shape.map(int)) + tuple(...strides.map(int))
  const args = [from, int(0), sizes, '\x89', `${global('collections', 'OrderedDict')})R`, global('torch', dtype)]
  return `${global('torch._utils', '_rebuild_tensor_v3')}${tuple(...args)}R`
}

test('types of newer versions: float8 and unsigned integers over untyped storages', () => {
  const program = pickle(
    protocol2,
    dict([text('w'), typed('float8_e4m3fn', [4, 6], [6, 1], 24)], [text('t'), typed('uint16', [3, 4], [1, 3], 24)]),
    '.',
  )
  const { tensors, read } = readPytorch(bytesRange(archive({ program }), 'x.pt'))
  expect(tensors.get('w')).toMatchObject({ dtype: 'float8e4m3fn', shape: [4, 6] })
  expect([...read('w', 0, 24)]).toEqual([...sixFloats])
  const numbers = new Uint16Array(sixFloats.slice().buffer)
  const turned = [0, 1, 2].flatMap((row) => [0, 1, 2, 3].map((col) => numbers[row + 3 * col]))
  expect([...new Uint16Array(read('t', 0, 24).slice().buffer)]).toEqual(turned)
  const odd = pickle(protocol2, dict([text('w'), typed('complex32', [6], [1], 24)]), '.')
  expect(() => readPytorch(bytesRange(archive({ program: odd }), 'x.pt'))).toThrow('torch.complex32, which is not read')
})

test('a storage too large to check on opening is checked when it is first read', () => {
  const numel = 5 << 20
  const data = new Uint8Array(numel * 4)
  const whole = archive({
    program: pickle(protocol2, dict([text('w'), tensor({ numel, shape: [numel], strides: [1] })]), '.'),
    storages: { 0: data },
  })
  const at = whole.length - 1000 // the last thousand bytes are headers and directory, and some data
  const file = join(base, 'large.pt')
  writeFileSync(file, whole)
  const good = openNetwork(file)
  expect(good.source.read('w', { begin: 4, end: 12 })).toEqual(new Uint8Array(8))
  good.source.close()
  whole[at] = 0x55
  writeFileSync(file, whole)
  const damaged = openNetwork(file)
  expect(() => damaged.source.read('w', { begin: 4, end: 12 })).toThrow(
    'entry "archive/data/0" does not have its checksum',
  )
  damaged.source.close()
})

test('reading outside a tensor is a defect of ours', () => {
  const file = join(base, 'small.pt')
  writeFileSync(file, archive())
  const { source } = openNetwork(file)
  expect(() => source.read('w', { begin: 0, end: 25 })).toThrow('bytes 0 to 25 of 24')
  expect(() => source.read('nothing')).toThrow('no tensor "nothing"')
  source.close()
})

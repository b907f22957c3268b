import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { encodeSafetensors, type TensorToWrite } from '../../../src-main/engine/checkpoint/safetensors.ts'
import { toFloat32 } from '../../../src-main/engine/checkpoint/convert.ts'
import { dequantize } from '../../../src-main/engine/quantize/dequantize.ts'
import { readArtifact } from '../../../src-main/engine/quantize/artifact.ts'
import type { DataType } from '../../../src-main/engine/graph/ir.ts'
import { goldenCases, goldenTensors, type GoldenCase } from '../families/golden.ts'
import { random } from '../../../src-main/engine/data/random.ts'
import { quiet, temporaryFolder } from '../score/network.ts'
import { compress } from './compress.ts'
import { converted, exporterNamed, json, plainTensors } from './folders-of.ts'

const golden = goldenCases.find(({ name }) => name === 'plain') as GoldenCase
const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')

/** A folder with a small Llama, a tokenizer, and other things that lie around. */
function folder(config: Record<string, unknown> = {}, more: Record<string, TensorToWrite> = {}): string {
  const path = join(temporaryFolder(), 'model')
  mkdirSync(path)
  const settings = { ...golden.config, torch_dtype: 'float32', text_config: { torch_dtype: 'float32' }, ...config }
  writeFileSync(join(path, 'config.json'), JSON.stringify(settings))
  writeFileSync(
    join(path, 'model.safetensors'),
    encodeSafetensors(new Map([...goldenTensors(golden), ...Object.entries(more)])),
  )
  writeFileSync(join(path, 'tokenizer_config.json'), '{"bos_token": "<s>"}')
  writeFileSync(join(path, 'LICENSE'), 'do as you please')
  writeFileSync(join(path, 'private.txt'), 'not for others')
  return path
}

test('source types: every byte is the source’s, companions come along, nothing else does', async () => {
  const from = folder({ quantization_config: { quant_method: 'gptq' }, compression_config: {} })
  const network = openNetwork(from)
  const { path, result, plannedBytes } = await converted(network, 'safetensors-float')
  expect(readdirSync(path).sort()).toEqual(
    ['LICENSE', 'README.md', 'config.json', 'model.lathe.json', 'model.safetensors', 'tokenizer_config.json'].sort(),
  )
  expect(statSync(join(path, 'model.safetensors')).size).toBe(plannedBytes)
  const [before, after] = [from, path].map((each) => plainTensors(join(each, 'model.safetensors')))
  expect(new Map([...(after ?? [])].sort())).toEqual(new Map([...(before ?? [])].sort()))
  const config = json(path, 'config.json')
  expect(config).toEqual({ ...golden.config, torch_dtype: 'float32', text_config: { torch_dtype: 'float32' } })
  expect(result.verified[0]).toContain('bit for bit')
  const manifest = json(path, 'model.lathe.json') as {
    files: { name: string; sha256: string }[]
    besides: { name: string; sha256: string }[]
  }
  for (const { name, sha256: said } of [...manifest.files, ...manifest.besides])
    expect(sha256(join(path, name)), name).toBe(said)
  expect([...manifest.files, ...manifest.besides].map(({ name }) => name).sort()).toEqual(
    readdirSync(path)
      .filter((name) => name !== 'model.lathe.json')
      .sort(),
  )
})

test('the same source gives the same folder, whatever its place', async () => {
  const network = openNetwork(folder())
  const [one, two] = [await converted(network, 'safetensors-float'), await converted(network, 'safetensors-float')]
  for (const name of readdirSync(one.path))
    expect(sha256(join(one.path, name)), name).toBe(sha256(join(two.path, name)))
  for (const name of readdirSync(one.path)) expect(readFileSync(join(one.path, name), 'latin1')).not.toContain(one.path)
})

test('another float type: rounded to nearest, whole numbers untouched, the configuration says so', async () => {
  const network = openNetwork(
    folder({}, { 'extra.counts': { dtype: 'int64', shape: [2], data: new Uint8Array(16).fill(7) } }),
  )
  for (const [dtype, width] of [
    ['float16', 2],
    ['bfloat16', 2],
  ] as const) {
    const { path, plannedBytes } = await converted(network, 'safetensors-float', { dtype })
    expect(statSync(join(path, 'model.safetensors')).size).toBe(plannedBytes)
    const tensors = plainTensors(join(path, 'model.safetensors'))
    expect(tensors.get('extra.counts')).toEqual({ dtype: 'I64', shape: [2], bytes: new Uint8Array(16).fill(7) })
    expect(json(path, 'config.json')).toMatchObject({ torch_dtype: dtype, text_config: { torch_dtype: dtype } })
    const original = toFloat32(network.source.read('model.embed_tokens.weight'), 'float32')
    const bytes = tensors.get('model.embed_tokens.weight')?.bytes ?? new Uint8Array(0)
    expect(bytes.length).toBe(original.length * width)
    const found = toFloat32(bytes, dtype)
    const step = dtype === 'float16' ? 2 ** -11 : 2 ** -8
    expect(original.every((value, i) => Math.abs((found[i] ?? NaN) - value) <= Math.abs(value) * step + 2 ** -25)).toBe(
      true,
    )
  }
})

test('a number beyond float16 is a fault that names it, and bfloat16 holds it', async () => {
  const data = new Uint8Array(Float32Array.of(1, 7e4).buffer)
  const network = openNetwork(folder({}, { 'extra.large': { dtype: 'float32', shape: [2], data } }))
  await expect(converted(network, 'safetensors-float', { dtype: 'float16' })).rejects.toMatchObject({
    ...{ code: 'unsupported', hint: expect.stringContaining('bfloat16') as string },
    data: { tensor: 'extra.large', found: '70000' },
  })
  await expect(converted(network, 'safetensors-float', { dtype: 'bfloat16' })).resolves.toBeTruthy()
})

test('every type of the format keeps its bytes, 1,000 random tensors', async () => {
  const types: DataType[] = [
    ...([
      'bool',
      'uint8',
      'int8',
      'uint16',
      'int16',
      'uint32',
      'int32',
      'uint64',
      'int64',
      'float16',
      'bfloat16',
    ] as const),
    ...(['float32', 'float64', 'float8e4m3fn', 'float8e5m2', 'float8e8m0', 'float4e2m1', 'complex64'] as const),
  ]
  const bits: Partial<Record<DataType, number>> = {
    uint16: 16,
    int16: 16,
    float16: 16,
    bfloat16: 16,
    uint32: 32,
    int32: 32,
    float32: 32,
  }
  const wide: Partial<Record<DataType, number>> = { uint64: 64, int64: 64, float64: 64, complex64: 64, float4e2m1: 4 }
  const source = random(5)
  const tensors = new Map<string, TensorToWrite>()
  for (let i = 0; i < 1000; i++) {
    const dtype = types[i % types.length] as DataType
    const shape = [1 + Math.floor(source.uniform() * 5), 2 * (1 + Math.floor(source.uniform() * 4))]
    const bytes = (shape.reduce((a, b) => a * b, 1) * (bits[dtype] ?? wide[dtype] ?? 8)) / 8
    tensors.set(`t${i}"ü`, {
      dtype,
      shape,
      data: Uint8Array.from({ length: bytes }, () => Math.floor(source.uniform() * 256)),
    })
  }
  const path = join(temporaryFolder(), 'all.safetensors')
  writeFileSync(path, encodeSafetensors(tensors))
  const network = openNetwork(path)
  const single = join(temporaryFolder(), 'copy.safetensors')
  const { result, plannedBytes } = await converted(network, 'safetensors-float', {}, { path: single })
  expect(statSync(single).size).toBe(plannedBytes)
  expect(result.files.map((file) => file.path)).toEqual([single])
  expect(readdirSync(join(single, '..')).sort()).toEqual(['copy.README.md', 'copy.lathe.json', 'copy.safetensors'])
  expect(new Map([...plainTensors(single)].sort())).toEqual(new Map([...plainTensors(path)].sort()))
})

test('shards with an index, as large as planned; they open as one model', async () => {
  const from = folder()
  const network = openNetwork(from)
  for (const id of ['safetensors-float', 'compressed-tensors']) {
    const { path, result, plannedBytes } = await converted(network, id, { shardGb: 1e-5 })
    const names = readdirSync(path).filter((name) => name.endsWith('.safetensors'))
    expect(names.length).toBeGreaterThan(2)
    expect(names).toEqual(
      names.map(
        (_, i) => `model-${String(i + 1).padStart(5, '0')}-of-${String(names.length).padStart(5, '0')}.safetensors`,
      ),
    )
    expect(result.files.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(plannedBytes)
    const { weight_map, metadata } = json(path, 'model.safetensors.index.json') as {
      weight_map: Record<string, string>
      metadata: { total_size: number }
    }
    let total = 0
    for (const name of names)
      for (const [tensor, { bytes }] of plainTensors(join(path, name))) {
        expect(weight_map[tensor]).toBe(name)
        delete weight_map[tensor]
        total += bytes.length
      }
    expect(weight_map).toEqual({})
    expect(metadata.total_size).toBe(total)
    expect(openNetwork(path)).toMatchObject({ family: 'llama', notices: [] })
  }
})

test('compressed layers become the numbers they stand for', async () => {
  const network = openNetwork(folder())
  const plan = exporterNamed('safetensors-float').planBytes(network)
  const { artifacts, plannedBytes } = compress(network, plan, join(temporaryFolder(), 'artifacts'), () => 3)
  const path = join(temporaryFolder(), 'out')
  const args = { network, artifacts, path, dataset: null, overwrite: false, plannedBytes }
  const result = await exporterNamed('safetensors-float').write(args, quiet)
  expect(statSync(join(path, 'model.safetensors')).size).toBe(plannedBytes)
  const tensors = plainTensors(join(path, 'model.safetensors'))
  expect(artifacts.length).toBeGreaterThan(5)
  for (const { layer, path: artifact } of artifacts) {
    const bytes = tensors.get(layer)?.bytes ?? new Uint8Array(0)
    expect(toFloat32(bytes.slice(), 'float32')).toEqual(dequantize(readArtifact(artifact)).data)
  }
  expect(result.verified[0]).toContain(`${artifacts.length} compressed layers`)
  const manifest = json(path, 'model.lathe.json') as { recipe: { name: string; sha256: string }[] }
  expect(manifest.recipe.map(({ sha256: said }) => said).sort()).toEqual(artifacts.map(({ sha256: own }) => own).sort())
})

test('where it may write: nothing is replaced unasked, the checkpoint never, links are not followed', async () => {
  const from = folder()
  const network = openNetwork(from)
  const { path } = await converted(network, 'safetensors-float')
  writeFileSync(join(path, 'mine.txt'), 'keep me')
  await expect(converted(network, 'safetensors-float', {}, { path })).rejects.toMatchObject({ code: 'conflict' })
  await converted(network, 'safetensors-float', { dtype: 'float16' }, { path, overwrite: true })
  expect(readFileSync(join(path, 'mine.txt'), 'utf8')).toBe('keep me')
  expect(json(path, 'config.json')).toMatchObject({ torch_dtype: 'float16' })
  // Shards and index of an export that stood there go with the next one; a file that was changed since does not.
  await converted(network, 'safetensors-float', { shardGb: 1e-5 }, { path, overwrite: true })
  expect(existsSync(join(path, 'model.safetensors.index.json'))).toBe(true)
  expect(existsSync(join(path, 'model.safetensors'))).toBe(false)
  writeFileSync(join(path, 'LICENSE'), 'changed by hand')
  await converted(openNetwork(folder()), 'safetensors-float', {}, { path, overwrite: true })
  expect(readdirSync(path).filter((name) => name.startsWith('model'))).toEqual([
    'model.lathe.json',
    'model.safetensors',
  ])
  expect(readFileSync(join(path, 'mine.txt'), 'utf8')).toBe('keep me')
  await expect(converted(network, 'safetensors-float', {}, { path: from, overwrite: true })).rejects.toMatchObject({
    code: 'conflict',
  })
  const linked = join(temporaryFolder(), 'linked')
  mkdirSync(linked)
  writeFileSync(join(linked, 'real.json'), 'untouched')
  symlinkSync(join(linked, 'real.json'), join(linked, 'config.json'))
  await expect(converted(network, 'safetensors-float', {}, { path: linked, overwrite: true })).rejects.toMatchObject({
    code: 'conflict',
  })
  expect(readFileSync(join(linked, 'real.json'), 'utf8')).toBe('untouched')
  expect(readdirSync(linked).sort()).toEqual(['config.json', 'real.json'])
  const file = join(temporaryFolder(), 'file')
  writeFileSync(file, '')
  await expect(converted(network, 'safetensors-float', {}, { path: file })).rejects.toMatchObject({ code: 'conflict' })
})

test('an empty folder is filled; a folder appears whole or not at all, also when the checkpoint changes meanwhile', async () => {
  const network = openNetwork(folder())
  const empty = join(temporaryFolder(), 'empty')
  mkdirSync(empty)
  await converted(network, 'safetensors-float', {}, { path: empty })
  expect(existsSync(join(empty, 'model.lathe.json'))).toBe(true)

  let reads = 0
  const read: typeof network.source.read = (name, range) => {
    const bytes = network.source.read(name, range)
    return name === 'model.norm.weight' && reads++ > 0 ? bytes.map(() => 1) : bytes
  }
  const changing = { ...network, source: { ...network.source, read } }
  const parent = temporaryFolder()
  await expect(
    converted(changing, 'safetensors-float', {}, { path: join(parent, 'new', 'out') }),
  ).rejects.toMatchObject({
    ...{ code: 'verification', data: { tensor: 'model.norm.weight' } },
  })
  expect(readdirSync(parent)).toEqual([])
})

test('what a killed export left behind goes with the next one', async () => {
  const parent = temporaryFolder()
  const host = hostname()
    .replaceAll(/[^\w.]/g, '_')
    .slice(0, 64)
  const stale = join(parent, `.lathe-${host}-999999999-abcd.partial`)
  mkdirSync(stale)
  writeFileSync(join(stale, 'model.safetensors'), 'half')
  await converted(openNetwork(folder()), 'safetensors-float', {}, { path: join(parent, 'out') })
  expect(readdirSync(parent)).toEqual(['out'])
  expect(statSync(join(parent, 'out')).mode & 0o777).toBe(0o777 & ~process.umask())
})

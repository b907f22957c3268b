import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openNetwork } from '../../../../src-main/engine/checkpoint/open.ts'
import { readMatrix } from '../../../../src-main/engine/checkpoint/weights.ts'
import { gguf } from '../../../../src-main/engine/export/gguf/gguf.ts'
import { layoutOf } from '../../../../src-main/engine/export/gguf/layout.ts'
import { ggmlOption } from '../../../../src-main/engine/export/gguf/types.ts'
import { ggufParameters } from '../../../../src-main/engine/export/gguf/parameters.ts'
import { decodeBlocks } from '../../../../src-main/engine/kernels/ggml/decode.ts'
import { encodeRows } from '../../../../src-main/engine/kernels/ggml/encode.ts'
import { type GgmlType, writableTypes } from '../../../../src-main/engine/kernels/ggml/types.ts'
import { dequantize } from '../../../../src-main/engine/quantize/dequantize.ts'
import { applyPlain, rtnOption } from '../../../../src-main/engine/quantize/options.ts'
import { writeArtifact } from '../../../../src-main/engine/quantize/artifact.ts'
import type { Option } from '../../../../src-preload/contract/plan.ts'
import { temporaryFolder } from '../../checkpoint/temporary.ts'
import { randomMixtral, randomQwen } from './models.ts'

const quiet = { progress: () => undefined, notify: () => undefined }
const folder = temporaryFolder()
const source = (dtype: 'float32' | 'float16' | 'bfloat16', tied = false) =>
  randomQwen(join(folder, `${dtype}${tied ? '-tied' : ''}`), { dtype, tied, layers: 1, vocabulary: 96 }).folder

async function convert(checkpoint: string, parameters: object, path: string) {
  const network = openNetwork(checkpoint)
  const parsed = ggufParameters.parse(parameters)
  const options = gguf.convert?.(network, parsed)
  const order = { network, artifacts: [], ...(options && { options }), parameters: parsed, dataset: null }
  const result = await gguf.write({ ...order, path, overwrite: true, plannedBytes: 0 }, quiet)
  return { network, result }
}

/** All tensors of a file by their Hugging Face names, raw and as read. */
const tensorsOf = (path: string) => {
  const network = openNetwork(path)
  return {
    types: Object.fromEntries([...network.source.tensors.values()].map(({ name, dtype, stored }) => [name, stored?.type ?? dtype])), // prettier-ignore
    read: (name: string) => network.source.read(name),
    names: [...network.source.tensors.keys()].sort(),
  }
}

test.each(['float32', 'float16', 'bfloat16'] as const)('%s kept as it is: the same bytes through both readers', async (dtype) => {
  const path = join(folder, `${dtype}.gguf`)
  const { network } = await convert(source(dtype), {}, path)
  const written = tensorsOf(path)
  expect(written.names).toEqual([...network.source.tensors.keys()].sort())
  for (const { name, shape } of network.source.tensors.values()) {
    // Vectors are float32 in every GGUF file: the same numbers.
    if (shape.length === 1 && dtype !== 'float32') continue
    expect(written.types[name]).toBe(dtype)
    expect(Buffer.compare(written.read(name), network.source.read(name))).toBe(0)
  }
  for (const layer of network.layers.filter(({ shape }) => shape.length === 1)) {
    const found = new Float32Array(written.read(layer.name).slice().buffer)
    expect(found).toEqual(new Float32Array(readMatrix(network, layer).data))
  }
}) // prettier-ignore

test('safetensors -> GGUF F32 -> its tensors are the same bits, of a model that was not float32', async () => {
  const path = join(folder, 'wide.gguf')
  const { network } = await convert(source('bfloat16'), { type: 'F32' }, path)
  const written = openNetwork(path)
  for (const layer of network.layers) {
    const again = written.layers.find(({ name }) => name === layer.name)
    expect(again?.dtype).toBe('float32')
    expect(again && readMatrix(written, again).data).toEqual(new Float32Array(readMatrix(network, layer).data))
  }
})

test.each(writableTypes.filter((type) => !type.startsWith('IQ2') && !type.startsWith('IQ3')))(
  '%s: what is read back is what the encoder makes of every row',
  async (type) => {
    const path = join(folder, `${type}.gguf`)
    const { network } = await convert(source('float32'), { type, pure: true }, path)
    const written = openNetwork(path)
    for (const name of ['model.layers.0.self_attn.q_proj.weight', 'model.layers.0.mlp.down_proj.weight', 'lm_head.weight']) {
      const layer = network.layers.find((each) => each.name === name)
      const again = written.layers.find((each) => each.name === name)
      if (!layer || !again) throw new Error(name)
      const { data, rows, cols } = readMatrix(network, layer)
      const wanted = decodeBlocks(type, encodeRows(type, { rows, cols, weights: data }))
      expect(readMatrix(written, again).data).toEqual(wanted)
    }
  },
) // prettier-ignore

test('packed rows are copied where the type stays, also of reordered heads; another GGUF is the same file', async () => {
  const first = join(folder, 'first.gguf')
  await convert(source('float16'), { type: 'Q4_K' }, first)
  const again = join(folder, 'again.gguf')
  const { network } = await convert(first, { type: 'Q4_K' }, again)
  expect(gguf.convert?.(network, ggufParameters.parse({ type: 'Q4_K' })).size).toBe(0)
  const [one, other] = [openNetwork(first), openNetwork(again)]
  for (const { name, stored } of one.source.tensors.values()) {
    if (!stored) continue
    expect(Buffer.from(other.source.readStored?.(name) ?? []).equals(one.source.readStored?.(name) ?? new Uint8Array())).toBe(true) // prettier-ignore
  }
})

test('the output and the embedding follow llama.cpp unless everything is to be pure', () => {
  const typesOf = (checkpoint: string, parameters: object) => {
    const options =
      gguf.convert?.(openNetwork(checkpoint), ggufParameters.parse(parameters)) ?? new Map<string, Option>()
    return (name: string) => options.get(name)?.parameters.type ?? 'kept'
  }
  const [head, embedding, inner] = ['lm_head.weight', 'model.embed_tokens.weight', 'model.layers.0.mlp.up_proj.weight']
  const untied = source('float16')
  const table: [object, string[]][] = [
    [{ type: 'Q4_K' }, ['Q6_K', 'Q4_K', 'Q4_K']],
    [{ type: 'Q8_0' }, ['Q8_0', 'Q8_0', 'Q8_0']],
    [{ type: 'IQ2_XS' }, ['Q5_K', 'Q2_K', 'IQ2_XS']],
    [{ type: 'IQ3_XXS' }, ['Q5_K', 'IQ3_S', 'IQ3_XXS']],
    [{ type: 'TQ2_0' }, ['Q6_K', 'Q4_K', 'TQ2_0']],
    [{ type: 'MXFP4' }, ['Q8_0', 'MXFP4', 'MXFP4']],
    [{ type: 'Q4_K', pure: true }, ['Q4_K', 'Q4_K', 'Q4_K']],
    [{ type: 'Q4_K', output: 'Q8_0', embedding: 'Q2_K' }, ['Q8_0', 'Q2_K', 'Q4_K']],
    [{ type: 'F16' }, ['kept', 'kept', 'kept']],
    [{}, ['kept', 'kept', 'kept']],
    [{ type: 'BF16' }, ['BF16', 'BF16', 'BF16']],
  ]
  for (const [parameters, wanted] of table)
    expect([head, embedding, inner].map(typesOf(untied, parameters))).toEqual(wanted)
  const tied = typesOf(source('float16', true), { type: 'Q2_K' })
  expect(tied(embedding)).toBe('Q6_K') // it is the output, too
})

test('planned bytes are the bytes written, for one type of all and for a mix', async () => {
  const network = openNetwork(source('float32'))
  const plan = gguf.planBytes(network)
  for (const choose of [(): string => 'keep', () => 'gguf-q8_0', () => 'gguf-q4_k', (i: number) => ['gguf-q2_k', 'keep', 'gguf-q5_0', 'gguf-f16'][i % 4] ?? 'keep']) {
    const options = new Map<string, Option>()
    let bytes = plan.baseBytes
    for (const [i, { name, options: offered }] of plan.layers.entries()) {
      const option = offered.find(({ id }) => id === choose(i))
      if (!option) throw new Error(`${name}: no ${choose(i)}`)
      bytes += option.bytes
      if (option.method !== 'keep') options.set(name, option)
    }
    const path = join(folder, 'planned.gguf')
    await gguf.write({ network, artifacts: [], options, path, dataset: null, overwrite: true, plannedBytes: bytes }, quiet)
    expect(statSync(path).size).toBe(bytes)
  }
}) // prettier-ignore

test('short rows are offered only what fits them', () => {
  const path = randomQwen(join(folder, 'short'), { width: 96, inner: 172, layers: 1, vocabulary: 64 }).folder
  const network = openNetwork(path)
  const offered = (name: string) =>
    gguf
      .planBytes(network)
      .layers.find((layer) => layer.name.includes(name))
      ?.options.map(({ id }) => id)
  expect(offered('up_proj')).toContain('gguf-q5_0')
  expect(offered('up_proj')?.filter((id) => /_k|iq[23]|iq4_xs|tq/.test(id))).toEqual([])
  expect(offered('down_proj')).toEqual(['gguf-f16', 'gguf-bf16', 'keep'])
  const options = gguf.convert?.(network, ggufParameters.parse({ type: 'Q4_K' }))
  expect(options?.get('model.layers.0.mlp.up_proj.weight')?.id).toBe('gguf-q5_0')
  expect(options?.get('model.layers.0.mlp.down_proj.weight')?.id).toBe('gguf-f16')
})

test('artifacts: blocks and grids that are blocks are written as they are', async () => {
  const network = openNetwork(source('float32'))
  const artifactFolder = join(folder, 'artifacts')
  mkdirSync(artifactFolder, { recursive: true })
  const choices = new Map<string, Option>([
    ['model.layers.0.self_attn.k_proj.weight', rtnOption(4, 32)],
    ['model.layers.0.mlp.gate_proj.weight', rtnOption(8, null)],
    ['lm_head.weight', rtnOption(5, 64)],
  ])
  const artifacts = [...choices].map(([name, option]) => {
    const layer = network.layers.find((each) => each.name === name)
    if (!layer) throw new Error(name)
    const q = applyPlain(readMatrix(network, layer), option, { layer: name })
    const made = writeArtifact(artifactFolder, q, { layer: name, option, methodVersion: 1 })
    return { artifact: { layer: name, option, relativeError: 0, ...made }, q }
  })
  const path = join(folder, 'variant.gguf')
  const order = { network, artifacts: artifacts.map(({ artifact }) => artifact), path, dataset: null }
  const result = await gguf.write({ ...order, overwrite: true, plannedBytes: 0 }, quiet)
  const written = openNetwork(path)
  for (const { artifact, q } of artifacts) {
    const layer = written.layers.find((each) => each.name === artifact.layer)
    if (!layer || 'blocks' in q) throw new Error(artifact.layer)
    expect(readMatrix(written, layer).data).toEqual(dequantize(q).data)
  }
  const manifest = JSON.parse(readFileSync(join(folder, 'variant.lathe.json'), 'utf8')) as {
    files: { sha256: string }[]
  }
  expect(manifest.files[0]?.sha256).toBe(createHash('sha256').update(readFileSync(path)).digest('hex'))
  expect(result.files[0]?.sha256).toBe(manifest.files[0]?.sha256)
})

test('experts share a tensor and its type: the widest that one of them asks for', async () => {
  const network = openNetwork(randomMixtral(join(folder, 'mixtral')))
  const expert = (i: number) => `model.layers.0.block_sparse_moe.experts.${i}.w1.weight`
  const layerOf = (of: typeof network, name: string) => {
    const layer = of.layers.find((each) => each.name === name)
    if (!layer) throw new Error(name)
    return layer
  }
  const option = rtnOption(4, 32)
  const q = applyPlain(readMatrix(network, layerOf(network, expert(2))), option, { layer: expert(2) })
  const made = writeArtifact(folder, q, { layer: expert(2), option, methodVersion: 1 })
  const artifacts = [{ layer: expert(2), option, relativeError: 0, ...made }]
  const options = new Map([
    [expert(0), ggmlOption('Q5_0')],
    [expert(1), ggmlOption('Q8_0')],
    [expert(3), ggmlOption('Q4_1')],
  ])
  const notices: string[] = []
  const context = { progress: () => undefined, notify: (notice: string) => notices.push(notice) }
  const path = join(folder, 'mixtral.gguf')
  await gguf.write({ network, artifacts, options, path, dataset: null, overwrite: false, plannedBytes: 0 }, context)
  expect(notices.join()).toMatch(/ffn_gate_exps.weight: Q8_0/)
  const written = openNetwork(path)
  for (let i = 0; i < 4; i++) expect(layerOf(written, expert(i)).stored?.type).toBe('Q8_0')
  const found = readMatrix(written, layerOf(written, expert(2))).data
  const wanted = dequantize(q).data
  expect(Math.max(...found.map((value, at) => Math.abs(value - (wanted[at] ?? 0))))).toBeLessThan(0.005)
})

test('a large model becomes several files, which open as one', async () => {
  const path = join(folder, 'parts', 'model.gguf')
  const { network, result } = await convert(source('float32'), { splitBytes: 600_000 }, path)
  expect(result.files.length).toBeGreaterThan(2)
  expect(existsSync(path)).toBe(false)
  const [first = { path: '' }] = result.files
  expect(first.path).toMatch(/model-00001-of-0000\d\.gguf$/)
  const written = openNetwork(first.path)
  expect([...written.source.tensors.keys()].sort()).toEqual([...network.source.tensors.keys()].sort())
  expect(written.layers.length).toBe(network.layers.length)
})

test('nothing is left behind by an export that fails, and nothing is replaced unasked', async () => {
  const checkpoint = source('float32')
  const network = openNetwork(checkpoint)
  const target = join(folder, 'failing')
  const write = (options: Map<string, Option>, overwrite = false) =>
    gguf.write({ network, artifacts: [], options, path: join(target, 'm.gguf'), dataset: null, overwrite, plannedBytes: 0 }, quiet) // prettier-ignore
  const q2 = (name: string) => new Map([[name, rtnOption(4, 16)]])
  await expect(write(q2('lm_head.weight'))).rejects.toMatchObject({ code: 'bad-arguments', data: { tensor: 'lm_head.weight' } }) // prettier-ignore
  await expect(write(q2('model.norm.weight'))).rejects.toMatchObject({ code: 'bad-arguments' })
  await expect(write(q2('no.such'))).rejects.toMatchObject({ code: 'bad-arguments' })
  expect(existsSync(target)).toBe(false)
  mkdirSync(target)
  writeFileSync(join(target, 'm.gguf'), 'mine')
  await expect(write(new Map())).rejects.toMatchObject({ code: 'conflict' })
  expect(readdirSync(target)).toEqual(['m.gguf'])
  expect(readFileSync(join(target, 'm.gguf'), 'utf8')).toBe('mine')
  await write(new Map(), true)
  expect(readdirSync(target).sort()).toEqual(['m.README.md', 'm.gguf', 'm.lathe.json'])
})

test('what float16 cannot hold is a fault, not infinity', async () => {
  const path = join(folder, 'huge')
  randomQwen(path, { layers: 1, vocabulary: 64 })
  const file = join(path, 'model.safetensors')
  const bytes = readFileSync(file)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  view.setFloat32(8 + Number(view.getBigUint64(0, true)), 1e6, true) // the first weight of the first tensor, lm_head
  writeFileSync(file, bytes)
  const options = { type: 'F16' }
  await expect(convert(path, options, join(folder, 'huge.gguf'))).rejects.toMatchObject({ code: 'bad-input' })
})

test('networks that llama.cpp cannot run are refused in words', () => {
  const network = openNetwork(source('float32'))
  expect(gguf.refuses(network)).toBeNull()
  expect(gguf.refuses({ ...network, config: null })).toMatch(/configuration/)
  expect(gguf.refuses({ ...network, config: new Map([['model_type', 'vit']]) })).toMatch(/vit/)
  const other = new Map(network.config ?? [])
  other.set('hidden_act', 'gelu')
  expect(gguf.refuses({ ...network, config: other })).toMatch(/hidden_act/)
  expect(layoutOf(network).left).toEqual([])
})

const types: GgmlType[] = ['F32', 'Q8_0']
test.each(types)('the same source and options give the same bytes (%s)', async (type) => {
  const [a, b] = [join(folder, 'a.gguf'), join(folder, 'b.gguf')]
  for (const path of [a, b]) await convert(source('float16'), { type }, path)
  expect(readFileSync(a).equals(readFileSync(b))).toBe(true)
})

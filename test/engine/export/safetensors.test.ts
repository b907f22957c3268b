import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { encodeSafetensors, openSafetensors } from '../../../src-main/engine/checkpoint/safetensors.ts'
import { readMatrix } from '../../../src-main/engine/checkpoint/weights.ts'
import { random } from '../../../src-main/engine/data/random.ts'
import { openPacked } from '../../../src-main/engine/export/safetensors/read.ts'
import { verifyPacked } from '../../../src-main/engine/export/safetensors/verify.ts'
import { artifactReader } from '../../../src-main/engine/export/onnx/weights.ts'
import { safetensors } from '../../../src-main/engine/export/safetensors/safetensors.ts'
import { applyPlain } from '../../../src-main/engine/quantize/options.ts'
import { readArtifact, writeArtifact } from '../../../src-main/engine/quantize/artifact.ts'
import { dequantize, weightError } from '../../../src-main/engine/quantize/dequantize.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { gridOf } from '../../helpers/matrix.ts'
import { quiet, residualNetwork, temporaryFolder } from '../score/network.ts'
import { compress } from './compress.ts'

const widths = [2, 3, 4, 5, 6, 7, 8, 32]
const mixed = (layer: number) => widths[layer % 8] ?? 8

/** Tensors of several types; one name is what a packed weight's codes would be called. */
function sample(metadata: Record<string, string> = { format: 'pt', 'ü"': '\\ "x"' }): Network {
  const source = random(7)
  const floats = (length: number) =>
    new Uint8Array(Float32Array.from({ length }, () => source.normal()).buffer as ArrayBuffer)
  const half = new Uint8Array(2 * 48 * 50).map((_, i) => (i % 2 === 0 ? (i * 37) & 0xff : 0x30 | (i & 0x83)))
  const path = join(temporaryFolder(), 'sample.safetensors')
  const tensors = {
    'conv.weight': { dtype: 'float32' as const, shape: [32, 16, 3, 3], data: floats(32 * 16 * 9) },
    'fc"ü.weight': { dtype: 'float16' as const, shape: [48, 50], data: half },
    'head.weight': { dtype: 'float32' as const, shape: [70, 100], data: floats(7000) },
    'conv.weight.codes': { dtype: 'uint8' as const, shape: [3], data: new Uint8Array([1, 2, 3]) },
    'bn.steps': { dtype: 'int64' as const, shape: [], data: new Uint8Array(8).fill(9) },
    'bn.bias': { dtype: 'bfloat16' as const, shape: [5], data: new Uint8Array(10).fill(0x3f) },
    empty: { dtype: 'float32' as const, shape: [0, 4], data: new Uint8Array(0) },
  }
  writeFileSync(path, encodeSafetensors(tensors, metadata))
  return openNetwork(path)
}

async function exported(network: Network, choose: (layer: number) => number) {
  const folder = temporaryFolder()
  const plan = safetensors.planBytes(network)
  const { artifacts, plannedBytes } = compress(network, plan, join(folder, 'artifacts'), choose)
  const path = join(folder, 'out', 'm.safetensors')
  const args = { network, artifacts, path, dataset: null, overwrite: false, plannedBytes }
  return { ...(await safetensors.write(args, quiet)), args, path }
}

test('a packed file is exactly as large as planned, and gives back the variant and every other tensor', async () => {
  const network = sample()
  for (const choose of [() => 4, () => 32, mixed, (layer: number) => mixed(layer + 1)]) {
    const { path, files, args, verified } = await exported(network, choose)
    const bytes = readFileSync(path)
    expect(files).toEqual([
      { path, bytes: args.plannedBytes, sha256: createHash('sha256').update(bytes).digest('hex') },
    ])
    expect(bytes.length).toBe(args.plannedBytes)
    expect(verified[0]).toContain('bit for bit')
    const file = openPacked(path)
    expect([...file.weights.keys()].sort()).toEqual(args.artifacts.map(({ layer }) => layer).sort())
    for (const { layer, path: artifact } of args.artifacts) {
      expect(dequantize(file.read(layer))).toEqual(dequantize(readArtifact(artifact)))
    }
    for (const { name } of network.source.tensors.values()) {
      if (!file.weights.has(name)) expect(file.source.read(name)).toEqual(network.source.read(name))
    }
    file.close()
    const plain = openSafetensors([path])
    expect(plain.metadata.get('format')).toBe('pt')
    expect(plain.metadata.get('ü"')).toBe('\\ "x"')
    expect(plain.metadata.get('lathe.layout')).toContain('bit stream')
    plain.close()
    expect(readdirSync(join(path, '..')).sort()).toEqual(['m.README.md', 'm.lathe.json', 'm.safetensors'])
  }
})

test('zero points, and one scale for the whole tensor, come back too', async () => {
  const network = sample()
  const folder = temporaryFolder()
  for (const granularity of ['tensor', 'channel', 'group'] as const) {
    const artifacts = network.layers
      .filter(({ compressible }) => compressible)
      .map((layer) => {
        const parameters = { granularity, groupSize: 32, symmetric: false }
        const option = { id: `rtn-5-${granularity}`, method: 'rtn', bits: 5, parameters }
        const q = applyPlain(readMatrix(network, layer), option, { layer: layer.name })
        const meta = { layer: layer.name, option, methodVersion: 1 }
        return { layer: layer.name, option, relativeError: 0, ...writeArtifact(folder, q, meta) }
      })
    const path = join(folder, `${granularity}.safetensors`)
    await safetensors.write({ network, artifacts, path, dataset: null, overwrite: false, plannedBytes: 0 }, quiet)
    const file = openPacked(path)
    for (const { layer, path: artifact } of artifacts) expect(file.read(layer)).toEqual(readArtifact(artifact))
    file.close()
  }
})

test('the same variant gives the same bytes', async () => {
  const network = sample()
  const [one, two] = [await exported(network, mixed), await exported(network, mixed)]
  expect(one.files[0]?.sha256).toBe(two.files[0]?.sha256)
})

test('an ONNX model and a packed file are refused with what to do', async () => {
  const onnx = residualNetwork()
  expect(() => safetensors.planBytes(onnx)).toThrow(
    expect.objectContaining({ code: 'unsupported', hint: expect.stringContaining('"onnx"') as string }) as Error,
  )
  const args = {
    network: onnx,
    artifacts: [],
    path: temporaryFolder(),
    dataset: null,
    overwrite: false,
    plannedBytes: 0,
  }
  await expect(safetensors.write(args, quiet)).rejects.toMatchObject({ code: 'unsupported' })
  const packed = openNetwork((await exported(sample(), () => 4)).path)
  expect(() => safetensors.planBytes(packed)).toThrow(/cannot be packed again/)
})

test('a checkpoint that changes while it is written is caught, and nothing is left', async () => {
  const network = sample()
  let reads = 0
  const read: typeof network.source.read = (name, range) => {
    const bytes = network.source.read(name, range)
    return name === 'bn.steps' && reads++ > 0 ? bytes.map(() => 0) : bytes
  }
  const changing = { ...network, source: { ...network.source, read } }
  const folder = temporaryFolder()
  const out = join(folder, 'out')
  const { artifacts } = compress(network, safetensors.planBytes(network), join(folder, 'artifacts'), () => 4)
  const args = { network: changing, artifacts, path: out, dataset: null, overwrite: false, plannedBytes: 0 }
  await expect(safetensors.write(args, quiet)).rejects.toMatchObject({
    code: 'verification',
    data: { tensor: 'bn.steps' },
  })
  expect(readdirSync(folder)).toEqual(['artifacts'])
})

test('codes that are not the variant’s are told', async () => {
  const network = sample()
  const [four, other] = [await exported(network, () => 4), await exported(network, () => 4)]
  const compressed = new Set(four.args.artifacts.map(({ layer }) => layer))
  const read = artifactReader({ network, artifacts: other.args.artifacts })
  const check = (reader: typeof read) => verifyPacked(four.path, network, compressed, reader, () => undefined)
  expect(check(read)).toHaveLength(3)
  for (const field of ['codes', 'scales'] as const) {
    const wrong: typeof read = (layer) => {
      const q = gridOf(read(layer))
      const values = q[field].slice()
      values[values.length - 1] = (values.at(-1) ?? 0) === 1 ? 2 : 1
      return { ...q, [field]: values }
    }
    expect(() => check(wrong)).toThrow(
      expect.objectContaining({ code: 'verification', message: expect.stringContaining(field) as string }) as Error,
    )
  }
})

test('the checkpoint itself is never written to', async () => {
  const network = sample()
  const args = { network, artifacts: [], path: network.path, dataset: null, overwrite: true, plannedBytes: 0 }
  await expect(safetensors.write(args, quiet)).rejects.toMatchObject({ code: 'conflict' })
})

test('a damaged packed file is refused', async () => {
  const { path } = await exported(sample(), () => 4)
  const folder = temporaryFolder()
  mkdirSync(folder, { recursive: true })
  const bytes = readFileSync(path)
  const edited = (from: string, to: string) => {
    const text = bytes.toString('latin1')
    expect(text).toContain(from)
    const file = join(folder, `${to.length}-${createHash('sha256').update(to).digest('hex').slice(0, 6)}.safetensors`)
    writeFileSync(file, Buffer.from(text.replace(from, to), 'latin1'))
    return file
  }
  expect(() => openPacked(edited('\\"packed\\":1', '\\"packed\\":9'))).toThrow(/not a whole packed file/)
  const wider = openPacked(edited('\\"bits\\":4', '\\"bits\\":5'))
  expect(() => [...wider.weights.keys()].map((name) => wider.read(name))).toThrow(/is not \d+ bytes long/)
  wider.close()
})

const models = [
  'cifar10/resnet20.safetensors',
  'cifar10/resnet56.safetensors',
  'vit-cifar10/model.safetensors',
  'stories260K',
  'novels-5m',
]
for (const model of models) {
  test.skipIf(!hasData)(
    `${model}: packed at 4 bits and mixed, exactly as planned and close to the weights`,
    async () => {
      const network = openNetwork(dataPath(model))
      for (const choose of [() => 4, mixed]) {
        const { path, files, args } = await exported(network, choose)
        expect(files[0]?.bytes).toBe(args.plannedBytes)
        const file = openPacked(path)
        expect(file.weights.size).toBe(args.artifacts.length)
        for (const layer of network.layers) {
          if (!file.weights.has(layer.name)) continue
          const q = gridOf(file.read(layer.name))
          const { data, rows, cols } = readMatrix(network, layer)
          const source = { rows, cols, read: (begin: number, end: number) => data.subarray(begin * cols, end * cols) }
          expect(weightError(source, q).relative).toBeLessThan(4 ** (1 - q.bits) * 3)
        }
        file.close()
      }
    },
  )
}

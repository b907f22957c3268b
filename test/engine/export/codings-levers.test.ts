import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { InferenceSession } from 'onnxruntime-node'
import { expect, test } from 'vitest'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { safetensors } from '../../../src-main/engine/export/safetensors/safetensors.ts'
import { openPacked } from '../../../src-main/engine/export/safetensors/read.ts'
import { readArtifact } from '../../../src-main/engine/quantize/artifact.ts'
import type { CodedMatrix } from '../../../src-main/engine/quantize/codings/define.ts'
import { applyOption } from '../../../src-main/engine/quantize/options.ts'
import { gaussianMatrix } from '../kernels/random.ts'
import { imageData, quiet, residualNetwork, temporaryFolder } from '../score/network.ts'
import { compressCoded } from './coded.ts'
import { exporterNamed } from './folders-of.ts'
import { type Case, cases, relativeError, runBoth } from './helpers.ts'
import { packedSample } from './packed-sample.ts'

const network = residualNetwork()
const dataset = imageData()

/** Options by id, and what asks for them. */
const uses: [id: string, parameters: Record<string, number | string>][] = [
  ['magnitude-50-f16', {}],
  ['magnitude-90-w4', {}],
  ['magnitude-70-f32', { width: 32 }],
  ['magnitude-2:4-w3', { width: 3 }],
  ['magnitude-4:8-f16', {}],
  ['magnitude-columns-25-w8', {}],
  ['magnitude-columns-50-f16', {}],
  ['svd-25-f16', {}],
  ['svd-35-w8', {}],
  ['svd-50-w4', { rankShare: 0.5, width: 4 }],
]

test.each(uses)('%s: an ONNX file of either style is as large as planned and answers like the variant', async (id, parameters) => {
  for (const format of ['onnx', 'onnx-folded']) {
    const folder = temporaryFolder()
    const exporter = exporterNamed(format)
    const use = { method: id.split('-')[0] ?? '', parameters }
    const choose = (option: { id: string }) => option.id === id
    const { artifacts, plannedBytes } = await compressCoded(network, exporter, use, choose, join(folder, 'artifacts'))
    expect(artifacts.length).toBeGreaterThanOrEqual(6)
    const args = { network, artifacts, path: join(folder, 'm.onnx'), dataset, overwrite: false, plannedBytes }
    const { files, verified } = await exporter.write(args, quiet)
    // What layers share is divided among them, rounded to bytes.
    expect(Math.abs((files[0]?.bytes ?? 0) - plannedBytes), format).toBeLessThanOrEqual(40)
    expect(verified[0]).toContain('equals the variant')
  }
}) // prettier-ignore

test.each(uses)('%s: a packed file is exactly as large as planned, and gives back every part', async (id, parameters) => {
  const folder = temporaryFolder()
  const packed = packedSample()
  const use = { method: id.split('-')[0] ?? '', parameters }
  const choose = (option: { id: string }) => option.id === id
  const { artifacts, plannedBytes } = await compressCoded(packed, safetensors, use, choose, join(folder, 'artifacts'))
  expect(artifacts.length).toBeGreaterThanOrEqual(1)
  const path = join(folder, 'm.safetensors')
  const args = { network: packed, artifacts, path, dataset: null, overwrite: false, plannedBytes }
  const { verified } = await safetensors.write(args, quiet)
  expect(statSync(path).size).toBe(plannedBytes)
  expect(verified[0]).toContain('bit for bit')
  const file = openPacked(path)
  for (const artifact of artifacts) expect(file.read(artifact.layer)).toEqual(readArtifact(artifact.path))
  file.close()
  const coding = id.startsWith('svd') ? 'low-rank' : 'sparse'
  expect(readFileSync(path).includes(Buffer.from(`\\"coding\\":\\"${coding}\\"`))).toBe(true)
}) // prettier-ignore

const sparse = (pattern: string, sparsity: number, width: number, groupSize = 0, unit = 1) => ({
  ...{ id: 'x', method: 'magnitude', bits: width },
  parameters: { pattern, sparsity, width, groupSize, unit, per: 'layer' },
})

test.each([
  ['unstructured', 0.5, 16, 0],
  ['unstructured', 0.5, 3, 16],
  ['unstructured', 0.95, 32, 0],
  ['unstructured', 0.95, 4, 48],
  ['1:4', 0.75, 8, 0],
  ['2:4', 0.5, 5, 64],
  ['2:8', 0.75, 16, 0],
  ['columns', 0.3, 16, 0],
  ['columns', 0.3, 4, 16],
])('%s, %d zeros, %i bits, groups of %i: the weight in the graph is the decoded one, bit for bit', async (pattern, sparsity, width, groupSize) => {
  const matrix = gaussianMatrix(24, 72, 9)
  const q = (await applyOption(matrix, sparse(pattern, sparsity, width, groupSize))) as CodedMatrix
  for (const one of [cases.plain([24, 72], 'rows'), cases.plain([72, 24], 'cols'), cases.plain([24, 8, 3, 3], 'rows')]) {
    const { bytes, measured, emitted, expected } = await runBoth(one, q, 13, 'packed')
    expect(measured).toBe(bytes)
    const positive = (x: Float32Array) => x.map((value) => value + 0) // the sign of a zero says nothing
    expect(positive(emitted)).toEqual(positive(expected))
    expect(Math.max(...expected)).toBeGreaterThan(0)
  }
}) // prettier-ignore

test('products and convolutions read the columns that are kept, and nothing else', async () => {
  const matrix = gaussianMatrix(24, 63, 10)
  const whole = (unit: number, width: number) => applyOption(matrix, sparse('columns', 0.4, width, 16, unit))
  for (const width of [16, 4])
    for (const [one, unit] of [
      [cases.matMul(24, 63), 1],
      [cases.gemm(24, 63), 1],
      [cases.conv(24, 7), 9],
    ] as const) {
      const { ops, emitted, expected } = await runBoth(one, (await whole(unit, width)) as CodedMatrix, 13)
      expect(ops.slice(-2)).toEqual(['Gather', one.nodes[0]?.op])
      expect(ops).not.toContain('Concat')
      expect(relativeError(emitted, expected)).toBeLessThan(1e-6)
    }
  const { ops, emitted, expected } = await runBoth(cases.conv(24, 7), (await whole(1, 16)) as CodedMatrix, 13)
  expect(ops).toContain('Concat') // single columns of a convolution are no channels: the whole weight is built
  expect(relativeError(emitted, expected)).toBeLessThan(1e-6)
})

test('factors are multiplied by in turn where every reader allows it', async () => {
  const matrix = gaussianMatrix(40, 63, 11)
  for (const width of [16, 8, 4]) {
    const option = { id: 'x', method: 'svd', bits: width, parameters: { rank: 7, width } }
    const q = (await applyOption(matrix, option)) as CodedMatrix
    for (const [one, last] of [
      [cases.matMul(40, 63), ['MatMul', 'MatMul']],
      [cases.gemm(40, 63), ['MatMul', 'Gemm']],
      [cases.conv(40, 7), ['Conv', 'Conv']],
      [cases.lookup(40, 63), ['Gather', 'MatMul']],
      [cases.plain([40, 63], 'rows'), ['MatMul', 'Mul']],
      [cases.plain([63, 40], 'cols'), ['Transpose', 'Mul']],
    ] as const) {
      const { ops, bytes, measured, emitted, expected } = await runBoth(one, q, 13)
      expect(ops.slice(-2)).toEqual(last)
      expect(measured).toBe(bytes)
      expect(relativeError(emitted, expected), last.join()).toBeLessThan(2e-6)
    }
    const { ops, emitted, expected } = await runBoth(cases.tied(40, 63), q, 13)
    expect(ops.slice(-5)).toEqual(['Reshape', 'Gather', 'MatMul', 'MatMul', 'Gemm'])
    expect(relativeError(emitted, expected)).toBeLessThan(2e-6)
  }
})

test('factors that would be more work than the weight are multiplied at load', async () => {
  const matrix = gaussianMatrix(24, 24, 12)
  const option = { id: 'x', method: 'svd', bits: 16, parameters: { rank: 20, width: 16 } }
  const { ops, emitted, expected } = await runBoth(cases.matMul(24, 24), (await applyOption(matrix, option)) as CodedMatrix, 13) // prettier-ignore
  expect(ops.slice(-2)).toEqual(['Transpose', 'MatMul'])
  expect(relativeError(emitted, expected)).toBeLessThan(2e-6)
})

/** What ONNX Runtime leaves of a graph once it is loaded. */
async function loaded(one: Case, q: CodedMatrix): Promise<string[]> {
  const { model } = await runBoth(one, q, 13, 'folded')
  const folder = temporaryFolder()
  const [path, optimised] = [join(folder, 'm.onnx'), join(folder, 'loaded.onnx')]
  writeFileSync(path, model)
  const options = {
    optimizedModelFilePath: optimised,
    graphOptimizationLevel: 'extended',
    logSeverityLevel: 3,
  } as const
  const session = await InferenceSession.create(path, options)
  await session.release()
  return openNetwork(optimised).graph?.nodes.map(({ op }) => op) ?? []
}

test('everything that unpacks a weight is done when the file is loaded', async () => {
  const matrix = gaussianMatrix(40, 72, 13)
  for (const [pattern, sparsity, width, left] of [
    ['unstructured', 0.5, 16, ['MatMul']],
    ['unstructured', 0.95, 4, ['MatMul']],
    ['2:4', 0.5, 5, ['MatMul']],
    ['columns', 0.25, 4, ['Gather', 'MatMul']],
  ] as const)
    expect(await loaded(cases.matMul(40, 72), (await applyOption(matrix, sparse(pattern, sparsity, width, 16))) as CodedMatrix), pattern).toEqual(left) // prettier-ignore
  for (const width of [4, 8, 16]) {
    const option = { id: 'x', method: 'svd', bits: width, parameters: { rank: 7, width } }
    const q = (await applyOption(matrix, option)) as CodedMatrix
    expect(await loaded(cases.matMul(40, 72), q)).toEqual(['MatMul', 'MatMul'])
    expect(await loaded(cases.plain([40, 72], 'rows'), q)).toEqual(['Mul'])
  }
})

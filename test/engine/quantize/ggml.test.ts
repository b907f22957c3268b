import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { type GgmlType, ggmlTypes, rowBytes, writableTypes } from '../../../src-main/engine/kernels/ggml/types.ts'
import { artifactReader } from '../../../src-main/engine/export/onnx/weights.ts'
import { readArtifact, writeArtifact } from '../../../src-main/engine/quantize/artifact.ts'
import { asGrid, hasGrid } from '../../../src-main/engine/quantize/as-grid.ts'
import { dequantize, dequantizeRows, weightError } from '../../../src-main/engine/quantize/dequantize.ts'
import type { Option } from '../../../src-preload/contract/plan.ts'
import { applyPlain } from '../../../src-main/engine/quantize/options.ts'
import { rowsOf } from '../../../src-main/engine/quantize/rows.ts'
import { type BlockMatrix, isBlocks, type WeightMatrix } from '../../../src-main/engine/quantize/types.ts'
import { faultOf } from '../checkpoint/temporary.ts'
import { gaussianMatrix, uniform } from '../kernels/random.ts'

const folder = mkdtempSync(join(tmpdir(), 'lathe-blocks-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const optionOf = (type: GgmlType, weighted = false): Option => ({
  id: `gguf-${type.toLowerCase()}${weighted ? '-w' : ''}`,
  method: 'ggml',
  bits: 4.5,
  parameters: { type, ...(weighted ? { weighted } : {}) },
})

/** -0 as 0. */
const withoutSigns = ({ data }: { data: Float32Array }) => data.map((value) => value + 0)

function blocksOf(matrix: WeightMatrix, type: GgmlType, importance?: Float32Array): BlockMatrix {
  const weighted = importance !== undefined
  const made = applyPlain(matrix, optionOf(type, weighted), { layer: 'a', ...(weighted ? { importance } : {}) })
  if (!isBlocks(made)) throw new Error('no blocks')
  return made
}

test.each(writableTypes)('%s: blocks, their artifact and their weights agree', (type) => {
  const matrix = gaussianMatrix(6, 512, 4)
  const made = blocksOf(matrix, type)
  expect(made).toMatchObject({ rows: 6, cols: 512, type })
  expect(made.blocks.length).toBe(6 * rowBytes(type, 512))
  const option = optionOf(type)
  const written = writeArtifact(folder, made, { layer: 'a', option, methodVersion: 1 })
  expect(readArtifact(written.path)).toEqual(made)
  const { relative } = weightError(rowsOf(matrix), made)
  expect(relative).toBeLessThan(0.15)
  const { data } = dequantize(made)
  expect(dequantizeRows(made, 2, 5)).toEqual(data.subarray(2 * 512, 5 * 512))
  const grid = asGrid(made)
  expect(grid !== null).toBe(hasGrid(type))
  if (grid) expect(withoutSigns(dequantize(grid))).toEqual(withoutSigns({ data }))
})

test('a grid holds groups of zeros too', () => {
  const matrix = gaussianMatrix(2, 512, 5)
  matrix.data.fill(0, 0, 512)
  for (const type of ['Q4_0', 'Q5_0', 'Q8_0', 'Q3_K', 'Q6_K', 'TQ2_0'] as const) {
    const made = blocksOf(matrix, type)
    const grid = asGrid(made)
    if (grid === null) throw new Error('no grid')
    expect(grid.scales.every((scale) => scale !== 0)).toBe(true)
    expect(withoutSigns(dequantize(grid))).toEqual(withoutSigns(dequantize(made)))
    expect(grid.codes.subarray(0, 512).every((code) => code === 2 ** (grid.bits - 1))).toBe(true)
  }
})

test('importance lowers the error that it weighs', () => {
  const matrix = gaussianMatrix(16, 512, 6)
  const next = uniform(7)
  const importance = Float32Array.from({ length: 512 }, () => Math.exp(4 * next()))
  const error = ({ data }: WeightMatrix) =>
    data.reduce((sum, value, i) => sum + (importance[i % 512] ?? 0) * (value - (matrix.data[i] ?? 0)) ** 2, 0)
  for (const type of writableTypes.filter((candidate) => ggmlTypes[candidate].blockSize > 1)) {
    const [weighted, alike] = [blocksOf(matrix, type, importance), blocksOf(matrix, type)]
    expect(error(dequantize(weighted)), type).toBeLessThan(error(dequantize(alike)))
  }
})

test('a damaged artifact of blocks is told', () => {
  const made = blocksOf(gaussianMatrix(2, 256, 1), 'Q4_K')
  const { path } = writeArtifact(folder, made, { layer: 'a', option: optionOf('Q4_K'), methodVersion: 1 })
  const text = readFileSync(path).toString('latin1').replace('\\"cols\\":256', '\\"cols\\":255')
  const bytes = Buffer.from(text, 'latin1')
  const other = join(folder, `${createHash('sha256').update(bytes).digest('hex')}.safetensors`)
  writeFileSync(other, bytes)
  expect(faultOf(() => readArtifact(other)).message).toContain('255 columns are no whole Q4_K blocks')
})

test('rows that are no whole blocks, and weights that are not finite, are named', () => {
  const odd = faultOf(() => blocksOf(gaussianMatrix(2, 100, 1), 'Q4_K'))
  expect([odd.code, odd.message]).toEqual([
    'bad-arguments',
    'Layer a: rows of 100 weights are no whole Q4_K blocks of 256.',
  ])
  const broken = gaussianMatrix(3, 64, 1)
  broken.data[64 + 7] = NaN
  expect(faultOf(() => blocksOf(broken, 'Q8_0')).message).toContain('Layer a: weight [1, 7] is NaN')
})

test('formats that hold grids take blocks that are one, and name those that are not', () => {
  const matrix = gaussianMatrix(4, 256, 9)
  const layer = { name: 'a', rows: 4, cols: 256 }
  const reader = (type: GgmlType) => {
    const made = blocksOf(matrix, type)
    const { path, sha256, bytes } = writeArtifact(folder, made, {
      layer: 'a',
      option: optionOf(type),
      methodVersion: 1,
    })
    const network = { name: 'n', layers: [layer] } as unknown as Parameters<typeof artifactReader>[0]['network']
    return artifactReader({
      network,
      artifacts: [{ layer: 'a', path, sha256, bytes, option: optionOf(type) }] as never,
    })
  }
  expect(reader('Q6_K')('a')).toMatchObject({ bits: 6 })
  const refused = faultOf(() => reader('Q4_K')('a'))
  expect([refused.code, refused.message]).toEqual([
    'unsupported',
    'Layer a is in Q4_K blocks, which only a GGUF file can hold.',
  ])
})

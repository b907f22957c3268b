import { expect, test } from 'vitest'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { ShootoutRow } from '../../../src-preload/contract/shootout.ts'
import { sampleOf } from '../../../src-main/app/samples.ts'
import type { Layer } from '../../../src-main/engine/checkpoint/network.ts'
import type { TaskProgress } from '../../../src-main/engine/protocol.ts'
import { defineQuantizer, type Quantizer } from '../../../src-main/engine/quantize/define.ts'
import { applyOption, optionsFor, rtnOption } from '../../../src-main/engine/quantize/options.ts'
import { ggml } from '../../../src-main/engine/quantize/ggml.ts'
import { rtn } from '../../../src-main/engine/quantize/rtn.ts'
import { quantizers } from '../../../src-main/engine/quantize/registry.ts'
import { ggmlOption } from '../../../src-main/engine/export/gguf/types.ts'
import { storedBytes } from '../../../src-main/engine/shootout/bytes.ts'
import { layerInputs } from '../../../src-main/engine/shootout/inputs.ts'
import type { TokenWeighting } from '../../../src-main/engine/quantize/define.ts'
import { cachedDataset, cachedNetwork, layerOf } from '../../../src-main/engine/tasks/cache.ts'
import { contestants } from '../../../src-main/engine/shootout/contestants.ts'
import { shootout } from '../../../src-main/engine/tasks/shootout.ts'
import { gaussianMatrix } from '../kernels/random.ts'

const language = sampleOf('language')
const name = 'model.layers.1.mlp.down_proj.weight'
const layer: Layer = {
  ...{ name, role: 'down', block: 1, shape: [64, 256], dtype: 'float32', bytes: 65_536, parameters: 16_384 },
  ...{ compressible: true, rows: 64, cols: 256, order: 'rows', op: 'MatMul' },
}
const updates: TaskProgress[] = []
const notices: string[] = []
const context = { progress: (u: TaskProgress) => void updates.push(u), notify: (n: string) => void notices.push(n) }
const args = {
  ...{ checkpoint: language.checkpoint, prepared: [], layer: name, samples: 4, seed: 0, skip: [] },
  ...{ device: 'cpu' as const, data: { path: language.data, split: 'auto' as const } },
}
const errors = (rows: ShootoutRow[], method: string) =>
  rows.filter((row) => row.option.method === method).map((row) => row.outputError ?? Number.NaN)

test('every stored byte counts: codes, scales, zero points, blocks', async () => {
  const matrix = gaussianMatrix(8, 256, 3)
  const bytes = async (option: Parameters<typeof applyOption>[1]) => storedBytes(await applyOption(matrix, option))
  expect(await bytes(rtnOption(3, 64))).toBe((8 * 256 * 3) / 8 + 8 * 4 * 2)
  expect(await bytes(rtnOption(4, 64, false))).toBe((8 * 256 * 4) / 8 + 8 * 4 * 2 + (8 * 4 * 4) / 8)
  expect(await bytes(rtnOption(5, null))).toBe((8 * 256 * 5) / 8 + 8 * 2)
  expect(await bytes(ggmlOption('Q4_K'))).toBe(8 * 144)
})

test('each quantizer brings its plain options, its twins and its own forms, and each option once', () => {
  const twins: Quantizer = defineQuantizer({
    ...rtn,
    ...{ id: 'twins', needs: ['weights'] },
    twin: (plain) =>
      plain.method === 'rtn'
        ? { ...plain, id: plain.id.replace('rtn', 'twins'), method: 'twins', form: plain.id }
        : { ...plain, id: `lent-${plain.id}`, method: 'lender', form: plain.id },
  })
  const lender: Quantizer = defineQuantizer({
    ...rtn,
    ...{ id: 'lender', needs: ['weights'] },
    twin: (plain) =>
      plain.method === 'ggml' ? { ...plain, id: `lent-${plain.id}`, method: 'lender', form: plain.id } : null,
    options: () => [{ ...rtnOption(4, 128), id: 'own-4', method: 'lender' }],
  })
  const all = contestants(layer, { weighs: false, known: [rtn, ggml, twins, lender] })
  const of = (id: string) => all.filter(({ quantizer }) => quantizer.id === id).map(({ option }) => option.id)
  const plain = optionsFor(layer).flatMap(({ id }) => (id === 'keep' ? [] : [id]))
  expect(of('rtn')).toEqual(plain)
  expect(of('twins')).toEqual(plain.map((id) => id.replace('rtn', 'twins')))
  expect(of('lender')).toEqual([...of('ggml').map((id) => `lent-${id}`), 'own-4'])
  expect(of('ggml')).toContain('gguf-q4_k')
  expect(of('ggml')).not.toContain('gguf-f16')
  const weighed = contestants(layer, { weighs: true, known: [ggml] }).map(({ option }) => option.id)
  expect(weighed).toContain('gguf-q4_k-w')
  // Blocks of 256 do not fit rows of 96.
  const narrow = contestants({ ...layer, cols: 96 }, { weighs: false, known: [ggml] }).map(({ option }) => option.id)
  expect(narrow.filter((id) => id.includes('_k'))).toEqual([])
  expect(narrow).toContain('gguf-q4_0')
})

test('rows are measured on samples no quantizer saw, each leaves at once, more bits are better', async () => {
  const { rows } = await shootout({ ...args, methods: ['rtn'] }, context)
  expect(updates.flatMap(({ row }) => row ?? [])).toEqual(rows)
  expect(rows.map(({ option }) => option.id).sort()).toEqual(
    optionsFor({ ...layer, cols: 352 })
      .flatMap(({ id }) => (id === 'keep' ? [] : [id]))
      .sort(),
  )
  expect(rows.every(({ fault, source }) => fault === null && source.includes('4 evaluation samples'))).toBe(true)
  const sorted = [...rows].sort((a, b) => a.option.bits - b.option.bits)
  for (const [at, row] of sorted.entries()) {
    expect(row.outputError).toBeGreaterThan(0)
    expect(row.bitsPerWeight).toBeCloseTo((8 * (row.bytes ?? 0)) / (128 * 352), 9)
    if (at > 0) expect(row.outputError).toBeLessThan(sorted[at - 1]?.outputError ?? 0)
  }
  const again = await shootout(
    { ...args, methods: ['rtn'], skip: rows.slice(1).map(({ option }) => option.id) },
    context,
  )
  expect(again.rows).toEqual([{ ...rows[0], seconds: again.rows[0]?.seconds }])
})

test('importance of the inputs lowers the output error of GGUF types at the same bytes', async () => {
  const { rows } = await shootout({ ...args, methods: ['ggml'] }, context)
  const byId = new Map(rows.map((row) => [row.option.id, row]))
  for (const type of ['q4_0', 'q5_0', 'iq4_nl']) {
    const [plain, weighed] = [byId.get(`gguf-${type}`), byId.get(`gguf-${type}-w`)]
    expect(weighed?.bytes).toBe(plain?.bytes)
    expect(weighed?.outputError).toBeLessThan(plain?.outputError ?? 0)
  }
})

test('without data only weight errors, and nothing that looks at inputs', async () => {
  const { rows } = await shootout({ ...args, data: null, methods: null }, context)
  expect(rows.length).toBeGreaterThan(10)
  expect(rows.filter(({ outputError }) => outputError !== null)).toEqual([])
  const looking = quantizers.filter(({ needs }) => needs.includes('hessian')).map(({ id }) => id)
  expect(rows.filter(({ option }) => looking.includes(option.method) || option.parameters.weighted === true)).toEqual(
    [],
  )
  expect(errors(rows, 'rtn').every(Number.isNaN)).toBe(true)
  expect(rows.every(({ weightError }) => (weightError ?? 0) > 0)).toBe(true)
})

test('what cannot be asked is refused by name', async () => {
  const refused = (more: object) => shootout({ ...args, methods: null, ...more }, context)
  await expect(refused({ layer: 'nothing' })).rejects.toMatchObject({ code: 'not-found' })
  await expect(refused({ layer: 'model.norm.weight' })).rejects.toThrow(/model\.norm\.weight/)
  await expect(refused({ methods: ['dice'] })).rejects.toSatisfy(
    (error) => error instanceof Fault && error.code === 'bad-arguments' && error.message.includes('dice'),
  )
})

const weighings: [string, TokenWeighting][] = [
  ['all alike', { strategy: 'norm', parameters: { rMin: 1 } }],
  ['size', { strategy: 'norm', parameters: { rMin: 0.1 } }],
  ['attention', { strategy: 'attention', parameters: { rMin: 0.1 } }],
]
test.each(weighings)('rows are weighed as a run weighs them: %s', async (words, weighting) => {
  const network = cachedNetwork(language.checkpoint)
  const dataset = await cachedDataset(language.checkpoint, args.data)
  const wanted = { network, dataset, layer: layerOf(network, name), samples: 4, device: 'cpu' as const }
  const alike = await layerInputs(wanted, context)
  const weighed = await layerInputs({ ...wanted, weighting }, context)
  expect(weighed?.judge).toBe(alike?.judge)
  expect(weighed?.notes).toEqual([])
  const [a, b] = [alike, weighed].map((inputs) => inputs?.calibrate[0]?.data ?? new Float32Array())
  const difference = Math.hypot(...(a ?? []).map((value, i) => value - (b?.[i] ?? 0))) / Math.hypot(...(a ?? []))
  if (words === 'all alike') expect(difference).toBeLessThan(1e-5)
  else expect(difference).toBeGreaterThan(0.02)
})

test('RSQ is tried with its tokens weighed, not as GPTQ', async () => {
  const { rows } = await shootout({ ...args, methods: ['rsq', 'gptq'] }, context)
  const error = (id: string) => rows.find(({ option }) => option.id === id)?.outputError
  expect(error('rsq-3-g32')).toBeGreaterThan(0)
  expect(error('rsq-3-g32')).not.toBe(error('gptq-3-g32'))
})

import { mount } from '@vue/test-utils'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { h, ref } from 'vue'
import { crumbs, join } from '../../src-renderer/features/files/crumbs.ts'
import { exportName } from '../../src-renderer/features/export/exportName.ts'
import { filterRows, groupByBlock, layerRows } from '../../src-renderer/features/inspect/layerRows.ts'
import {
  inListOrder,
  neighbour,
  optionNote,
  planRows,
  uniformLossAt,
} from '../../src-renderer/features/plan/planRows.ts'
import { progressCells } from '../../src-renderer/features/run/jobView.ts'
import UiGroupHead from '../../src-renderer/ui/UiGroupHead.vue'
import { landing } from '../../src-renderer/ui/rowCursor.ts'
import { layers, options, solve } from './helpers/network.ts'

const rows = layerRows(layers, null)

test('words of a search may stand in any order', () => {
  const found = filterRows(rows, { text: 'proj 3. q', role: 'all', onlyCompressible: false })
  expect(found.map((row) => row.layer.name)).toEqual(['model.layers.3.self_attn.q_proj.weight'])
  expect(filterRows(rows, { text: '', role: 'norm', onlyCompressible: false }).length).toBe(17)
  expect(filterRows(rows, { text: '', role: 'norm', onlyCompressible: true }).length).toBe(0)
})

test('a score per block reaches each of its layers, and no layer outside', () => {
  const score = {
    method: 'zd',
    per: 'block' as const,
    values: [
      { key: '0', value: -2 },
      { key: '1', value: 6 },
    ],
    samples: 0,
    seconds: 1,
  }
  const scored = layerRows(layers, score)
  const of = (name: string) => scored.find((row) => row.layer.name === name)
  expect(of('model.layers.1.mlp.up_proj.weight')).toMatchObject({ score: 6, scoreShare: 1 })
  expect(of('model.layers.0.mlp.up_proj.weight')).toMatchObject({ score: -2, scoreShare: 0 })
  expect(of('lm_head.weight')?.score).toBeNull()
})

test('grouping keeps every row once, and closed blocks keep their sum', () => {
  const all = groupByBlock(rows, (row) => row.layer, new Set())
  expect(all.filter((line) => line.kind === 'row').length).toBe(layers.length)
  expect(all.filter((line) => line.kind === 'block').length).toBe(9)
  const some = groupByBlock(rows, (row) => row.layer, new Set([null]))
  expect(some[0]).toMatchObject({ kind: 'block', block: null, count: 3, isOpen: false })
  expect(some.length).toBe(all.length - 3)
})

test('the cursor never rests on a heading and never leaves the list', () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { minLength: 1, maxLength: 30 }),
      fc.integer({ min: -1, max: 30 }),
      fc.integer({ min: -20, max: 50 }),
      (headings, from, to) => {
        const at = landing(from, to, headings.length, (i) => headings[i] === true)
        if (headings.every(Boolean)) return at === -1
        return at >= 0 && at < headings.length && headings[at] === false
      },
    ),
  )
})

test('the cursor passes a heading in the direction it came from, and turns where nothing lies beyond', () => {
  const isHeading = (at: number): boolean => [true, false, true, false].at(at) === true
  expect(landing(3, 2, 4, isHeading)).toBe(1)
  expect(landing(1, 2, 4, isHeading)).toBe(3)
  expect(landing(1, 0, 4, isHeading)).toBe(1)
})

test('shares of the loss add up to one', () => {
  const plan = solve({ bits: 4 }, {})
  const shares = planRows(plan, new Map()).map((row) => row.lossShare)
  expect(shares.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9)
})

test('neighbours step by width, and end at the ends', () => {
  const list = options[0]?.options ?? []
  expect(neighbour(list, 'rtn-4-g32', 1)?.id).toBe('rtn-5-g32')
  expect(neighbour(list, 'rtn-2-g32', -1)).toBeNull()
  expect(neighbour(list, 'keep', 1)).toBeNull()
  expect(neighbour(list, 'unknown', 1)).toBeNull()
})

test('an option says in words where its scales are shared', () => {
  const base = { id: 'x', method: 'rtn', bits: 4, bytes: 1, loss: null }
  expect(
    optionNote({
      ...base,
      parameters: { bits: 4, granularity: 'group', groupSize: 64, symmetric: true, search: 'mse' },
    }),
  ).toBe('groups of 64, symmetric, rtn, search mse')
  expect(optionNote({ ...base, parameters: { granularity: 'channel', symmetric: false } })).toBe(
    'per channel, affine, rtn',
  )
  const sparse = { granularity: 'channel', per: 'layer', pattern: 'unstructured', width: 4, unit: 1, sparsity: 0.9 }
  expect(optionNote({ ...base, method: 'magnitude', parameters: sparse })).toBe(
    'anywhere, values in 4 bits, per channel, magnitude, per layer',
  )
  expect(optionNote({ ...base, method: 'wanda', parameters: { ...sparse, pattern: '2:4', unit: 9 } })).toContain(
    '2:4 of each row, 9 together',
  )
  expect(optionNote({ ...base, method: 'keep', parameters: {} })).toBe('as in the checkpoint')
  expect(optionNote({ ...base, parameters: { groupSize: 0 } })).toContain('per channel')
})

test('uniform loss between two widths lies between theirs, on a straight line of logarithms', () => {
  const unknown = { predictedMemory: null, predictedSeconds: null }
  const point = (bytes: number, loss: number) => ({ bytes, loss, averageBits: 1, lossLow: 0, lossHigh: 0, ...unknown })
  const points = [point(300, 0.01), point(100, 1)]
  expect(uniformLossAt(points, 200)?.loss).toBeCloseTo(0.1, 12)
  expect(uniformLossAt(points, 100)?.loss).toBe(1)
  expect(uniformLossAt(points, 99)).toBeNull()
  expect(uniformLossAt(points, 301)).toBeNull()
})

test('the strip of units fills with the progress, not with the count of quick units', () => {
  expect(progressCells({ unitsTotal: 4, progress: 0.625 })).toEqual([1, 1, 0.5, 0])
  const many = progressCells({ unitsTotal: 1000, progress: 0.5 })
  expect(many.length).toBe(160)
  expect(many.filter((share) => share === 1).length).toBe(80)
  expect(progressCells({ unitsTotal: 0, progress: 0 })).toEqual([])
})

test('paths of both kinds are walked and joined', () => {
  expect(crumbs('/home/me').map((crumb) => crumb.path)).toEqual(['/', '/home', '/home/me'])
  expect(crumbs('C:\\Users\\me').map((crumb) => crumb.path)).toEqual(['C:\\', 'C:\\Users', 'C:\\Users\\me'])
  expect(join('/', 'a')).toBe('/a')
  expect(join('/home/me', 'a')).toBe('/home/me/a')
  expect(join('C:\\Users', 'a')).toBe('C:\\Users\\a')
})

test('an exported file says what it is', () => {
  expect(exportName('resnet32.onnx', { averageBits: 4.02, uniform: false }, '.onnx')).toBe('resnet32-4.02bit.onnx')
  expect(exportName('a b/ü', { averageBits: 3, uniform: true }, '.onnx')).toBe('a-b-3bit-uniform.onnx')
  expect(exportName('..', { averageBits: 3, uniform: false }, '.safetensors')).toBe('model-3bit.safetensors')
})

test('layers of a plan stand in the order of the list, whatever order it has and whatever it leaves out', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((name) => ({ name })) as [{ name: string }, { name: string }, { name: string }]
  expect(inListOrder(['a', 'b', 'c'], [a, b, c])).toEqual([a, b, c])
  expect(inListOrder(['a', 'b', 'c'], [a, c])).toEqual([a, null, c])
  expect(inListOrder(['a', 'b', 'c'], [c, a])).toEqual([a, null, c])
  expect(inListOrder(['a', 'c'], [a, b, c])).toEqual([a, c])
})

test('a heading of rows is reached by Tab; left closes, right opens, and neither goes on to the rows', async () => {
  const passedOn = vi.fn()
  const open = ref(true)
  const list = mount(() =>
    h('div', { onKeydown: passedOn }, [
      h(UiGroupHead, { title: 'Block 3', open: open.value, onToggle: () => (open.value = !open.value) }, () => '2 MB'),
    ]),
  )
  const heading = list.find('button')
  expect([heading.text(), heading.attributes('tabindex')]).toEqual(['Block 32 MB', undefined])
  const after = async (key: string) => {
    await heading.trigger('keydown', { key })
    return heading.attributes('aria-expanded')
  }
  expect(await after('ArrowRight')).toBe('true')
  expect(await after('ArrowLeft')).toBe('false')
  expect(await after('ArrowLeft')).toBe('false')
  expect(await after('ArrowRight')).toBe('true')
  expect(passedOn).not.toHaveBeenCalled()
  await after('ArrowDown')
  expect(passedOn).toHaveBeenCalledOnce()
})

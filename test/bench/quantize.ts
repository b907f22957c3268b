import { packBitsReference } from '../../src-main/engine/kernels/bits.ref.ts'
import { packBits, unpackBits } from '../../src-main/engine/kernels/bits.ts'
import { encodeReference } from '../../src-main/engine/kernels/group.ref.ts'
import { chooseReference } from '../../src-main/engine/kernels/search.ref.ts'
import { effortOf } from '../../src-main/engine/kernels/search.ts'
import { dequantizeReference } from '../../src-main/engine/quantize/dequantize.ref.ts'
import { dequantize } from '../../src-main/engine/quantize/dequantize.ts'
import { type GridParameters, quantizeToGrid } from '../../src-main/engine/quantize/grid.ts'
import { rowsOf } from '../../src-main/engine/quantize/rows.ts'
import { gaussianMatrix } from '../engine/kernels/random.ts'
import { printTable, sideBySide } from './measure.ts'

const GROUP = 64

/** Rates are bytes of float32 weights per second. What is promised: 1 GB/s on two threads at 4 bits, searched. */
export function benchQuantize(): void {
  for (const groupSize of [32, 64, 128]) benchGroups(groupSize)
  const [large, small] = [gaussianMatrix(1024, 2048, 1), gaussianMatrix(8, 1024, 1)]
  for (const [bits, symmetric] of [
    [2, true],
    [4, true],
    [4, false],
    [8, true],
  ] as const) {
    const p: GridParameters = { bits, symmetric, granularity: 'group', groupSize: GROUP, search: 'mse' }
    const quantize = (more: Partial<GridParameters>, threads?: number) =>
      quantizeToGrid(rowsOf(large), { ...p, ...more }, { layer: 'bench', ...(threads ? { threads } : {}) })
    const rows = sideBySide(
      [
        { name: 'plain twin, searched', bytes: small.data.length * 4, run: () => reference(small.data, p) },
        { name: 'searched, one thread', bytes: large.data.length * 4, run: () => quantize({}, 1) },
        { name: 'searched, all threads', bytes: large.data.length * 4, run: () => quantize({}) },
        { name: 'not searched, all threads', bytes: large.data.length * 4, run: () => quantize({ search: 'none' }) },
      ],
      9,
    )
    printTable(`rtn: ${bits} bits, groups of ${GROUP}, ${symmetric ? 'symmetric' : 'affine'}`, rows)
  }

  const q = quantizeToGrid(rowsOf(large), { bits: 3, symmetric: true, granularity: 'group', groupSize: GROUP, search: 'none' }, { layer: 'bench' }) // prettier-ignore
  const bytes = large.data.length * 4
  printTable(
    'dequantize',
    sideBySide(
      [
        { name: 'plain twin', bytes, run: () => dequantizeReference(q) },
        { name: 'compiled', bytes, run: () => dequantize(q) },
      ],
      9,
    ),
  )
  const packed = packBits(q.codes, 3)
  printTable(
    'bits: 3 bits, rates over codes',
    sideBySide(
      [
        { name: 'pack, plain twin', bytes: q.codes.length, run: () => packBitsReference(q.codes, 3) },
        { name: 'pack', bytes: q.codes.length, run: () => packBits(q.codes, 3) },
        { name: 'unpack', bytes: q.codes.length, run: () => unpackBits(packed, 3, q.codes.length) },
      ],
      9,
    ),
  )
}

/** Processor time beside the clock's: on a busy machine, what the work takes is the former. */
function benchGroups(groupSize: number): void {
  const matrix = gaussianMatrix(2048, 2048, 1)
  const bytes = matrix.data.length * 4
  const run = (threads: number) =>
    quantizeToGrid(
      rowsOf(matrix),
      { bits: 4, symmetric: true, granularity: 'group', groupSize, search: 'mse' },
      { layer: 'bench', threads },
    )
  const contenders = [1, 2].map((threads) => ({ name: `threads: ${threads}`, bytes, run: () => run(threads) }))
  printTable(`rtn: 4 bits, groups of ${groupSize}, symmetric, searched`, sideBySide(contenders, 15))
  for (const threads of [1, 2]) {
    const before = process.cpuUsage()
    for (let round = 0; round < 15; round++) run(threads)
    const { user, system } = process.cpuUsage(before)
    const rate = (15 * bytes) / (user + system) / 1e3
    console.log(`  threads: ${threads}, a second of processor time: ${rate.toPrecision(3)} GB`)
  }
}

function reference(data: Float32Array, p: GridParameters): void {
  const effort = effortOf(p.bits, p.symmetric)
  const ones = new Float32Array(GROUP).fill(1)
  for (let begin = 0; begin < data.length; begin += GROUP) {
    const x = data.subarray(begin, begin + GROUP)
    const { scale, zero } = chooseReference(x, ones, { ...p, scaleType: 'float16', effort })
    encodeReference(x, scale, { zero, top: 2 ** p.bits - 1 })
  }
}

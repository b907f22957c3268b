// Sums of the powers of a matrix, by row and by column, from which norms and kurtosis follow. The matrix goes through an
// ONNX graph block by block; only the sums come back. Powers are those of x over the block's largest magnitude: the fourth of
// weights below 1e-11 or above 1e9 is nothing, or infinite, in float32. Sums are in float64 and in the weights' own size again.
import { float32Tensor, int64Tensor } from '../graph/constants.ts'
import { type Graph, int, node } from '../graph/ir.ts'
import { rowsPerBlock, type WeightRows } from '../quantize/rows.ts'
import { openSession } from '../runtime/session.ts'
import type { Session } from '../runtime/types.ts'

/** Sums over one row or one column, of the values' first four powers. */
export interface Moments {
  n: number
  sums: [Float64Array, Float64Array, Float64Array, Float64Array] // [rows] or [cols] of x, x^2, x^3, x^4
}

const powers = ['x1', 'x2', 'x3', 'x4'] as const

function momentsGraph(): Graph {
  const side = (axis: 'byRow' | 'byCol') =>
    powers.map((power) => node('ReduceSum', [power, axis], [`${axis}${power}`], { keepdims: int(0) }))
  const outputs = (['byRow', 'byCol'] as const).flatMap((axis) => powers.map((power) => `${axis}${power}`))
  return {
    name: 'moments',
    irVersion: 10,
    opsets: new Map([['', 17]]),
    nodes: [
      node('Abs', ['x'], ['size']),
      node('ReduceMax', ['size'], ['most'], { keepdims: int(0) }),
      // 1 where that is 0 or not finite: what is not finite shows in the sums.
      node('Greater', ['most', 'none'], ['some']),
      node('Less', ['most', 'infinite'], ['finite']),
      node('And', ['some', 'finite'], ['usable']),
      node('Where', ['usable', 'most', 'one'], ['unit']),
      node('Div', ['x', 'unit'], ['x1']),
      node('Mul', ['x1', 'x1'], ['x2']),
      node('Mul', ['x2', 'x1'], ['x3']),
      node('Mul', ['x2', 'x2'], ['x4']),
      ...side('byRow'),
      ...side('byCol'),
    ],
    inputs: [{ name: 'x', dtype: 'float32', shape: ['rows', 'cols'] }],
    outputs: [
      ...outputs.map((name) => ({
        name,
        dtype: 'float32' as const,
        shape: [name.startsWith('byRow') ? 'rows' : 'cols'],
      })),
      { name: 'unit', dtype: 'float32', shape: [] },
    ],
    initializers: new Map([
      ['none', float32Tensor('none', [0], [])],
      ['one', float32Tensor('one', [1], [])],
      ['infinite', float32Tensor('infinite', [Infinity], [])],
      ['byRow', int64Tensor('byRow', [1])],
      ['byCol', int64Tensor('byCol', [0])],
    ]),
    values: new Map(),
    functions: [],
    metadata: new Map(),
    producer: 'lathe',
  }
}

const emptySums = (count: number): Moments['sums'] => [
  new Float64Array(count),
  new Float64Array(count),
  new Float64Array(count),
  new Float64Array(count),
]

let session: Promise<Session> | null = null // on the CPU; one for the life of the engine

/** Moments of every row and every column. */
export async function moments(source: WeightRows): Promise<{ rows: Moments; cols: Moments }> {
  session ??= openSession(
    momentsGraph(),
    () => new Uint8Array(),
    { device: 'cpu' },
    () => undefined,
  )
  const live = await session.catch((error: unknown) => {
    session = null
    throw error
  })
  const rows: Moments = { n: source.cols, sums: emptySums(source.rows) }
  const cols: Moments = { n: source.rows, sums: emptySums(source.cols) }
  const step = rowsPerBlock(source.cols)
  for (let begin = 0; begin < source.rows; begin += step) {
    const end = Math.min(begin + step, source.rows)
    const x = { dtype: 'float32' as const, dims: [end - begin, source.cols], data: source.read(begin, end) }
    const found = await live.run({ x })
    const unit = Number(found.unit?.data[0] ?? 1)
    for (const [at, power] of powers.entries()) {
      const scale = unit ** (at + 1)
      const own = (axis: string) =>
        Float64Array.from(found[`${axis}${power}`]?.data as Float32Array, (sum) => scale * sum)
      rows.sums[at]?.set(own('byRow'), begin)
      const into = cols.sums[at] ?? new Float64Array()
      own('byCol').forEach((sum, col) => (into[col] = (into[col] ?? 0) + sum))
    }
  }
  return { rows, cols }
}

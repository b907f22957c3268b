import { candidates, plainGrid, storedScale } from '../kernels/candidates.ts'
import { ownKernel } from '../kernels/pool.ts'
import { configure, type GridSettings, scratchBytes } from '../kernels/search.ts'
import type { QuantizeContext } from './define.ts'
import { eachBlock, notFinite, type WeightRows } from './rows.ts'
import type { QuantizedMatrix } from './types.ts'

// One grid for a whole tensor: the search of assembly/quantize.ts, its sums gathered over row blocks, so that the tensor
// is never in memory at once. Costs one pass over the weights for the range, one for all candidates, two a refinement.

interface Grid {
  scale: number
  zero: number
}

export function quantizeTensor(
  source: WeightRows,
  settings: GridSettings,
  importance: Float32Array,
  context: QuantizeContext,
): QuantizedMatrix {
  configure(ownKernel(), settings)
  const { rows, cols } = source
  const codes = new Uint8Array(rows * cols)
  const [lo, hi] = rangeOf(source, context.layer)
  const plain = plainGrid(lo, hi, settings)
  const grid = plain.scale === 0 ? plain : searched(source, settings, importance, plain, lo, hi)
  if (grid.scale === 0) codes.fill(grid.zero)
  else errorOf(source, importance, grid, codes)
  context.progress?.(1)
  const { bits, symmetric, scaleType } = settings
  const scales = Float32Array.of(grid.scale)
  const zeros = Uint8Array.of(grid.zero)
  const shape = { rows, cols, groupSize: cols, groups: 1 }
  return { ...shape, bits, symmetric, granularity: 'tensor', scaleType, codes, scales, zeros }
}

function searched(
  source: WeightRows,
  settings: GridSettings,
  importance: Float32Array,
  plain: Grid,
  lo: number,
  hi: number,
): Grid {
  if (settings.effort.steps === 0) return plain
  const tried = [...candidates(lo, hi, plain.zero, settings)]
  let [best, ratio, zero] = [0, 0, 0]
  sumsOf(source, importance, tried).forEach(({ xu, uu, inverse, zero: candidateZero }) => {
    const explained = ((xu / inverse) * (xu / inverse)) / uu
    if (!(explained > best)) return
    best = explained
    ratio = Math.fround(xu / uu / inverse)
    zero = candidateZero
  })
  if (best === 0) return plain
  let chosen = plain
  let error = errorOf(source, importance, plain)
  for (let round = 0; round < settings.effort.rounds; round++) {
    const scale = storedScale(ratio, settings.scaleType)
    const found = errorOf(source, importance, { scale, zero })
    if (found < error) [error, chosen] = [found, { scale, zero }]
    const [sums] = sumsOf(source, importance, [{ inverse: Math.fround(1 / scale), zero }])
    if (sums === undefined || sums.uu === 0) break
    ratio = Math.fround(sums.xu / sums.uu / sums.inverse)
  }
  return chosen
}

/** The smallest and the largest weight, with 0 among them. Faults on one that is not finite. */
export function rangeOf(source: WeightRows, layer: string): [number, number] {
  const kernel = ownKernel()
  const range: [number, number] = [0, 0]
  eachBlock(source, (weights, begin, end) => {
    const [x = 0, scratch = 0, out = 0] = kernel.lay(weights.length * 4, scratchBytes(source.cols), 8)
    kernel.floats(x, weights.length).set(weights)
    const bad = kernel.exports.extentRows(x, end - begin, source.cols, scratch, out)
    if (bad >= 0) throw notFinite(layer, source, begin * source.cols + bad)
    const [low = 0, high = 0] = kernel.floats(out, 2)
    range[0] = Math.min(range[0], low)
    range[1] = Math.max(range[1], high)
  })
  return range
}

function sumsOf(source: WeightRows, importance: Float32Array, tried: { inverse: number; zero: number }[]) {
  const kernel = ownKernel()
  const { cols } = source
  const totals = tried.map((candidate) => ({ ...candidate, xu: 0, uu: 0 }))
  eachBlock(source, (weights, begin, end) => {
    const lengths = [weights.length * 4, cols * 4, scratchBytes(cols), 16]
    const [x = 0, h = 0, scratch = 0, out = 0] = kernel.lay(...lengths)
    kernel.floats(x, weights.length).set(weights)
    kernel.floats(h, cols).set(importance)
    for (const total of totals) {
      kernel.doubles(out, 2).set([total.xu, total.uu])
      kernel.exports.sumRows(x, h, end - begin, cols, total.inverse, total.zero, scratch, out)
      ;[total.xu = 0, total.uu = 0] = kernel.doubles(out, 2)
    }
  })
  return totals
}

/** Weighted squared error on the grid; fills `codes` [rows, cols] when given. */
function errorOf(source: WeightRows, importance: Float32Array, { scale, zero }: Grid, codes?: Uint8Array): number {
  const kernel = ownKernel()
  const { cols } = source
  let error = 0
  eachBlock(source, (weights, begin, end) => {
    const lengths = [weights.length * 4, cols * 4, weights.length, scratchBytes(cols), 8]
    const [x = 0, h = 0, target = 0, scratch = 0, out = 0] = kernel.lay(...lengths)
    kernel.floats(x, weights.length).set(weights)
    kernel.floats(h, cols).set(importance)
    kernel.doubles(out, 1).set([error])
    kernel.exports.encodeRows(x, h, codes ? target : 0, end - begin, cols, scale, zero, scratch, out)
    error = kernel.doubles(out, 1)[0] ?? error
    codes?.set(kernel.bytes(target, weights.length), begin * cols)
  })
  return error
}

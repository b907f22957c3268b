// U of U^T U = (H + d I)^-1. With indices reversed, Hr = L L^T (Cholesky) gives U = the reversal of L^-1: one factorisation
// and one triangular inverse, 2/3 n^3 operations, where inverting and factoring again takes 4/3 n^3.
//   Frantar et al. 2022, "GPTQ", section 3.3, step 3 (U and the damping d = damping x mean diag H)
//   V = L^T by block rows k:       T_kj = H_kj - sum_{p<k} V_pk^T V_pj      V_kk^T V_kk = T_kk      V_kj = V_kk^-T T_kj
//   Y = L^-1 by block columns i:   Y_ji = -V_jj^-T sum_{i<=p<j} V_pj^T Y_pi                         Y_ii = V_ii^-T
// Products run on multiply.ts, diagonal blocks in WebAssembly in float64. 2.5 size^2 floats of memory.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../../src-preload/contract/project.ts'
import type { Arena } from '../arena.ts'
import { openKernel } from '../load.ts'
import { multiply } from './multiply.ts'
import { lowerPanels, type Panel, rowsOfPanel, upperPanels } from './panels.ts'
import { transposeInto } from './transpose.ts'
import type { Hessian, InverseFactor } from './types.ts'

interface LinearExports {
  factorBlock(t: number, inverse: number, least: number, work: number, n: number): number
}

export interface FactorOptions {
  damping: number // share of the mean diagonal, >= 0
  order?: Uint32Array // input that comes at each place: the factor is of H[order, order]
  device?: DeviceId
  threads?: number
  layer?: string // for messages
  notify?: (notice: string) => void
}

const FIRST_DAMPING = 1e-6 // where none was asked for
const MOST_DAMPING = 10
const PIVOT = 2 ** -21 // of the diagonal: what is left of float32 products below it is rounding

let kernel: Arena<LinearExports> | null = null

/** Raises the damping tenfold as long as the factorisation fails, and says so. A Hessian of zeros (nothing ever entered)
 *  counts as the identity. Faults on one that is not finite, not [size, size], or beyond help. */
export async function inverseFactor(h: Hessian, options: FactorOptions): Promise<InverseFactor> {
  const { notify = () => undefined, layer } = options
  const name = layer === undefined ? 'The Hessian' : `The Hessian of layer ${layer}`
  const { order } = options
  const { size, data } = h
  if (data.length !== size * size || (order && order.length !== size))
    throw new Fault('bad-arguments', `${name}: expected ${size} x ${size} numbers, found ${data.length}.`)
  const diagonal = Float32Array.from({ length: size }, (_, i) => data[i * (size + 1)] ?? 0)
  const faulty = diagonal.findIndex((value) => !(value >= 0 && value < Infinity))
  if (faulty >= 0 || !allFinite(data)) throw notFinite(name, layer, faulty, diagonal)
  const live = diagonal.reduce((count, value) => count + Number(value > 0), 0)
  const dead = Uint32Array.from({ length: size }, (_, i) => i).filter((i) => diagonal[i] === 0)
  const mean = live === 0 ? 1 : diagonal.reduce((sum, value) => sum + value, 0) / live
  if (live === 0 && size > 0) notify(`${name} is all zeros: no calibration row reached it, so errors are not fed back.`)

  let damping = live === 0 ? 1 : options.damping
  for (let attempts = 1; damping <= MOST_DAMPING; attempts++) {
    const upper = gather(h, order, damping * mean, dead.length > 0 ? mean : 0)
    const factored = await cholesky(upper, options)
    if (typeof factored !== 'number') {
      const lower = await invert(upper, factored, options)
      return { size, data: reversed(lower, size), damping, attempts, dead }
    }
    const next = damping === 0 ? FIRST_DAMPING : damping * 10
    const rank = h.rows < size ? ` (${h.rows} calibration rows for ${size} inputs)` : ''
    if (next <= MOST_DAMPING)
      notify(`${name} could not be factored with damping ${damping}${rank}: raised to ${Number(next.toPrecision(3))}.`)
    damping = next
  }
  throw new Fault('bad-input', `${name} is not positive definite, even with damping ${MOST_DAMPING}.`, {
    hint: 'Calibrate again: the mean of x x^T always is. Or choose a method that needs weights only.',
    data: layer === undefined ? {} : { tensor: layer },
  })
}

function allFinite(data: Float32Array): boolean {
  let sum = 0
  for (let i = 0; i < data.length; i++) sum += (data[i] ?? 0) * 0
  return sum === 0
}

function notFinite(name: string, layer: string | undefined, at: number, diagonal: Float32Array): Fault {
  const found = at < 0 ? 'numbers that are not finite' : `${diagonal[at]} for input ${at}`
  return new Fault('bad-input', `${name} has ${found}.`, {
    hint: 'An activation of the calibration run is infinite or not a number: check the weights and the calibration data.',
    data: { expected: 'finite, not negative on the diagonal', found, ...(layer !== undefined && { tensor: layer }) },
  })
}

/** H reversed (and in order), damped, dead inputs with a diagonal of their own, in upper panels. */
function gather(
  { size, data }: Hessian,
  order: Uint32Array | undefined,
  damping: number,
  deadDiagonal: number,
): Panel[] {
  const from = Uint32Array.from({ length: size }, (_, i) => order?.[size - 1 - i] ?? size - 1 - i)
  const panels = upperPanels(size)
  for (const { begin, width, data: panel } of panels)
    for (let r = 0; r < begin + width; r++) {
      const row = (from[r] ?? 0) * size
      const at = r * width
      for (let c = 0; c < width; c++) panel[at + c] = data[row + (from[begin + c] ?? 0)] ?? 0
      if (r < begin) continue
      const diagonal = panel[at + r - begin] ?? 0
      panel[at + r - begin] = (diagonal === 0 ? deadDiagonal : diagonal) + damping
    }
  return panels
}

/** Upper panels become V. Returns the inverses of its diagonal blocks, or the index of a pivot that is not positive. */
async function cholesky(panels: Panel[], { device, threads, notify }: FactorOptions): Promise<Float32Array[] | number> {
  const inverses: Float32Array[] = []
  const place = { device, threads, notify }
  const least = panels.map(({ data, width, begin }) =>
    Float32Array.from({ length: width }, (_, i) => PIVOT * (data[(begin + i) * width + i] ?? 0)),
  )
  for (const [index, own] of panels.entries()) {
    const [from, to] = [own.begin, own.begin + own.width]
    const above = rowsOfPanel(own, 0, from)
    for (const other of panels.slice(index)) {
      const block = rowsOfPanel(other, from, to)
      const size = { m: own.width, n: other.width, transA: true }
      if (from > 0)
        await multiply(
          { ...size, a: above, b: rowsOfPanel(other, 0, from), c: block, out: block, k: from, alpha: -1 },
          place,
        )
      if (other === own) {
        const inverse = factorBlock(block, own.width, least[index] ?? new Float32Array(own.width))
        if (typeof inverse === 'number') return from + inverse
        inverses.push(inverse)
      } else {
        block.set(await multiply({ ...size, a: inverses[index] ?? block, b: block, k: own.width }, place))
      }
    }
  }
  return inverses
}

/** L^-1 in lower panels. */
async function invert(
  upper: Panel[],
  inverses: Float32Array[],
  { device, threads, notify }: FactorOptions,
): Promise<Panel[]> {
  const size = upper.reduce((sum, { width }) => sum + width, 0)
  const place = { device, threads, notify }
  const lower = lowerPanels(size)
  for (const [index, panel] of lower.entries()) {
    const { begin, width } = panel
    transposeInto(inverses[index] ?? panel.data, { rows: width, cols: width, stride: width }, panel.data, {
      outStride: width,
    })
    for (const [j, other] of upper.entries()) {
      if (j <= index) continue
      const a = rowsOfPanel(other, begin, other.begin)
      const b = rowsOfPanel(panel, begin, other.begin)
      const shape = { m: other.width, n: width, transA: true }
      const sum = await multiply({ ...shape, a, b, k: other.begin - begin }, place)
      const out = rowsOfPanel(panel, other.begin, other.begin + other.width)
      await multiply({ ...shape, a: inverses[j] ?? sum, b: sum, k: other.width, alpha: -1, out }, place)
    }
  }
  return lower
}

/** U[a, b] = Y[size - 1 - a, size - 1 - b]. */
function reversed(lower: Panel[], size: number): Float32Array {
  const data = new Float32Array(size * size)
  for (const panel of lower)
    for (let r = panel.begin; r < size; r++) {
      const at = (size - 1 - r) * size + size - panel.begin - panel.width
      data.set(rowsOfPanel(panel, r, r + 1), at)
      data.subarray(at, at + panel.width).reverse()
    }
  return data
}

function factorBlock(t: Float32Array, n: number, least: Float32Array): Float32Array | number {
  const arena = (kernel ??= openKernel<LinearExports>('linear'))
  const [at = 0, inverse = 0, limits = 0, work = 0] = arena.lay(n * n * 4, n * n * 4, n * 4, 2 * n * (n + 1) * 8)
  arena.floats(at, n * n).set(t)
  arena.floats(limits, n).set(least)
  const bad = arena.exports.factorBlock(at, inverse, limits, work, n)
  if (bad >= 0) return bad
  t.set(arena.floats(at, n * n))
  return arena.floats(inverse, n * n).slice()
}

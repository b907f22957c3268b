import { packBits, packedBytes, unpackBits } from '../../kernels/bits.ts'
import { decodeScales, encodeScales, roundToHalf } from '../../kernels/float16.ts'
import { symmetricEigen } from '../../kernels/linear/eigen.ts'
import { multiply, type ProductPlace } from '../../kernels/linear/multiply.ts'
import type { Hessian } from '../../kernels/linear/types.ts'
import { topEigenvectors } from '../../kernels/vectors/subspace.ts'
import type { Arena } from '../../kernels/arena.ts'
import { openKernel } from '../../kernels/load.ts'
import type { CodedForm, CodedMatrix, CodedPart } from '../codings/define.ts'
import type { QuantizeContext } from '../define.ts'

// The low-rank part of a coded weight: L diag(s) R, as parts
//
//   left    I8 or F16  [rows, rank]      right   I8 or F16  [rank, cols]      steps   F32  [rank]   s
//   int4: U8 [ceil(numbers / 2)], code + 8 as one stream of 4 bits, codes -7 .. 7

export type FactorType = 'int8' | 'int4' | 'float16'
export const factorTypes = ['int8', 'int4', 'float16'] as const
const largest: Record<FactorType, number> = { int8: 127, int4: 7, float16: 1 }

export interface Factors {
  left: Float32Array // [rows, rank], as stored
  right: Float32Array // [rank, cols]
  steps: Float32Array // [rank]
  values: Float32Array // [rows, cols], what they make
}

interface LowrankExports {
  addProduct(out: number, left: number, right: number, rows: number, rank: number, padded: number): void
  signRows(
    bits: number,
    rowBytes: number,
    scales: number,
    rows: number,
    cols: number,
    padded: number,
    out: number,
  ): void
}

let opened: Arena<LowrankExports> | null = null
const kernel = (): Arena<LowrankExports> => (opened ??= openKernel<LowrankExports>('lowrank'))

/** The L diag(s) R of this rank that is nearest to E [rows, cols] in tr((E - X) H (E - X)^T): L spans the first
 *  eigenvectors of E H E^T, R = (L^T L)^-1 L^T E, whatever H is (least squares). The best X of a rank is the projection of
 *  E onto those (Eckart and Young for E H^1/2; as in Liu et al. 2024, "EoRA", and Zhang et al. 2024, "LQER"). L is rounded
 *  before R is found, so that R makes up for it. hessian null: plain distance. */
export async function fitFactors(
  error: Float32Array,
  shape: { rows: number; cols: number; rank: number; type: FactorType },
  hessian: Hessian | null,
  place: Pick<QuantizeContext, 'threads' | 'device' | 'seed'>,
): Promise<Factors> {
  const { rows, cols, rank } = shape
  const own = { threads: place.threads, device: place.device }
  const weigh = async (x: Float32Array, n: number): Promise<Float32Array> => {
    const back = await multiply({ a: error, b: x, m: cols, n, k: rows, transA: true }, own)
    const met = hessian ? await multiply({ a: hessian.data, b: back, m: cols, n, k: cols }, own) : back
    return multiply({ a: error, b: met, m: rows, n, k: cols }, own)
  }
  const { vectors } = await topEigenvectors(rows, rank, weigh, place.seed)
  const kept = vectors.length / rows
  const basis = new Float32Array(rows * rank) // a rank above the rows' leaves columns of 0
  for (let r = 0; r < rows; r++) basis.set(vectors.subarray(r * kept, (r + 1) * kept), r * rank)
  return factorsOn(basis, error, shape, place)
}

/** The factors whose L is the columns of a basis [rows, rank], rounded, and whose R is then the best there is for E [rows, cols]:
 *  R = (L^T L)^-1 L^T E, so that R makes up for what rounding L did. */
export async function factorsOn(
  basis: Float32Array,
  error: Float32Array,
  { rows, cols, rank, type }: { rows: number; cols: number; rank: number; type: FactorType },
  place: Pick<QuantizeContext, 'threads' | 'device'>,
): Promise<Factors> {
  const own = { threads: place.threads, device: place.device }
  const left = rounded(basis, rank, 'columns', type).numbers
  const gram = await multiply({ a: left, b: left, m: rank, n: rank, k: rows, transA: true }, own)
  const along = await multiply({ a: left, b: error, m: rank, n: cols, k: rows, transA: true }, own)
  const fitted = await multiply({ a: await pseudoInverse(gram, rank, own), b: along, m: rank, n: cols, k: rank }, own)
  const right = rounded(fitted, rank, 'rows', type)
  const factors = { left, right: right.numbers, steps: right.steps }
  return { ...factors, values: addFactors(new Float32Array(rows * cols), factors, cols) }
}

/** values [rows, cols] + L diag(s) R. */
export function addFactors(
  values: Float32Array,
  { left, right, steps }: Pick<Factors, 'left' | 'right' | 'steps'>,
  cols: number,
): Float32Array {
  const rank = steps.length
  if (rank === 0) return values
  const rows = values.length / cols
  const padded = (cols + 3) & ~3
  const [out = 0, l = 0, r = 0] = kernel().lay(rows * padded * 4, rows * rank * 4, rank * padded * 4)
  spread(values, kernel().floats(out, rows * padded), cols, padded)
  kernel()
    .floats(l, rows * rank)
    .set(left)
  const scaled = right.map((value, i) => value * (steps[Math.floor(i / cols)] ?? 0))
  spread(scaled, kernel().floats(r, rank * padded), cols, padded)
  kernel().exports.addProduct(out, l, r, rows, rank, padded)
  return narrowed(kernel().floats(out, rows * padded), cols, padded)
}

/** +-scale of each weight: bits [rows, ceil(cols / 8)], a 1 for plus. */
export function signRows(bits: Uint8Array, scales: Float32Array, cols: number): Float32Array {
  const padded = (cols + 3) & ~3
  const rows = scales.length
  const [source = 0, scale = 0, out = 0] = kernel().lay(bits.length, rows * 4, rows * padded * 4)
  kernel().bytes(source, bits.length).set(bits)
  kernel().floats(scale, rows).set(scales)
  kernel().exports.signRows(source, Math.ceil(cols / 8), scale, rows, cols, padded, out)
  return narrowed(kernel().floats(out, rows * padded), cols, padded)
}

function spread(from: Float32Array, to: Float32Array, cols: number, padded: number): void {
  to.fill(0)
  for (let r = 0; r * cols < from.length; r++) to.set(from.subarray(r * cols, (r + 1) * cols), r * padded)
}

function narrowed(from: Float32Array, cols: number, padded: number): Float32Array {
  if (cols === padded) return from.slice()
  const out = new Float32Array((from.length / padded) * cols)
  for (let r = 0; r * padded < from.length; r++) out.set(from.subarray(r * padded, r * padded + cols), r * cols)
  return out
}

/** Numbers over a step for each component (a column of L, a row of R), so that the largest is 127, 7, or 1 in float16. */
function rounded(x: Float32Array, rank: number, along: 'rows' | 'columns', type: FactorType) {
  const component = (i: number) => (along === 'columns' ? i % rank : Math.floor(i / (x.length / rank)))
  const steps = new Float32Array(rank)
  x.forEach((value, i) => (steps[component(i)] = Math.max(steps[component(i)] ?? 0, Math.abs(value))))
  steps.forEach((step, k) => (steps[k] = step / largest[type]))
  const round = type === 'float16' ? roundToHalf : Math.round
  return { steps, numbers: x.map((value, i) => round(value / (steps[component(i)] || 1)) + 0) }
}

/** Of a symmetric positive matrix; directions that are 0 stay 0. */
function pseudoInverse(gram: Float32Array, n: number, place: ProductPlace): Promise<Float32Array> {
  const { values, vectors } = symmetricEigen(gram, n)
  const least = 1e-6 * (values[0] ?? 0)
  const roots = vectors.map((x, i) => {
    const value = values[Math.floor(i / n)] ?? 0
    return value > least ? x / Math.sqrt(value) : 0
  })
  return multiply({ a: roots, b: roots, m: n, n, k: n, transA: true }, place)
}

interface FactorShape {
  rows: number
  cols: number
  rank: number
  type: FactorType
}

/** What the parts will be, before they are made. Rank 0 has none. */
export function factorForm({ rows, cols, rank, type }: FactorShape): CodedForm['parts'] {
  if (rank === 0) return {}
  const numbers = (height: number, width: number): CodedForm['parts'][string] =>
    type === 'int4'
      ? { dtype: 'uint8', shape: [packedBytes(height * width, 4)] }
      : { dtype: type, shape: [height, width] }
  return {
    left: numbers(rows, rank),
    right: numbers(rank, cols),
    steps: { dtype: 'float32', shape: [rank] },
  }
}

/** unit: what the numbers were divided by before they were fitted. */
export function factorParts(factors: Factors | null, shape: FactorShape, unit: number): Record<string, CodedPart> {
  if (!factors || shape.rank === 0) return {}
  const bytes = (x: Float32Array) => {
    if (shape.type === 'float16') return encodeScales(x, 'float16')
    if (shape.type === 'int8') return new Uint8Array(Int8Array.from(x).buffer)
    return packBits(Uint8Array.from(x, (code) => code + 8), 4) // prettier-ignore
  }
  const data: Record<string, Uint8Array> = {
    left: bytes(factors.left),
    right: bytes(factors.right),
    steps: encodeScales(
      factors.steps.map((step) => step * unit),
      'float32',
    ),
  }
  return Object.fromEntries(
    Object.entries(factorForm(shape)).map(([name, form]) => [name, { ...form, data: data[name] ?? new Uint8Array() }]),
  )
}

/** The stored factors of a coded weight. */
export function readFactors(matrix: CodedMatrix, type: FactorType): Pick<Factors, 'left' | 'right' | 'steps'> {
  const steps = decodeScales(matrix.parts.steps?.data ?? new Uint8Array(), 'float32')
  const numbers = (name: string, other: number) => {
    const data = matrix.parts[name]?.data ?? new Uint8Array()
    if (type === 'float16') return decodeScales(data, 'float16')
    if (type === 'int8') return Float32Array.from(new Int8Array(data.slice().buffer))
    return Float32Array.from(unpackBits(data, 4, steps.length * other), (code) => code - 8)
  }
  return { left: numbers('left', matrix.rows), right: numbers('right', matrix.cols), steps }
}

/** Mean of a layer's Hessians, for what its rows share; null where there is none. */
export function meanHessian(hessians: readonly Hessian[]): Hessian | null {
  const [first] = hessians
  if (!first || hessians.length === 1) return first ?? null
  const data = new Float32Array(first.data.length)
  for (const own of hessians)
    for (let i = 0; i < data.length; i++) data[i] = (data[i] ?? 0) + (own.data[i] ?? 0) / hessians.length
  return { size: first.size, data, rows: hessians.reduce((sum, { rows }) => sum + rows, 0) }
}

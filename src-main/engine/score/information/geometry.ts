// Points and their distances, by way of one product on kernels/linear/multiply.
import { random } from '../../data/random.ts'
import { multiply } from '../../kernels/linear/multiply.ts'

const ROUNDING = 1e-11 // of the energy of float32 numbers

export interface Cloud {
  data: Float32Array // [count, width]
  width: number
}

export const countOf = ({ data, width }: Cloud): number => (width === 0 ? 0 : data.length / width)

/** The rows of a cloud by number. */
export function rowsAt({ data, width }: Cloud, rows: readonly number[]): Cloud {
  const out = new Float32Array(rows.length * width)
  rows.forEach((row, to) => out.set(data.subarray(row * width, (row + 1) * width), to * width))
  return { data: out, width }
}

/** `count` of 0 .. all - 1 without replacement, seeded. */
export function drawn(all: number, count: number, seed: number): number[] {
  const source = random(seed)
  const order = Array.from({ length: all }, (_, index) => index)
  for (let i = 0; i < count; i++) {
    const pick = i + Math.floor(source.uniform() * (all - i))
    const kept = order[i] ?? 0
    order[i] = order[pick] ?? 0
    order[pick] = kept
  }
  return order.slice(0, count)
}

/** X X^T of points with their mean taken away, [n, n]; float32 keeps small distances only between centred points. Zeros
 *  where what is left of the points is their rounding. */
export async function centredGram(cloud: Cloud): Promise<Float32Array> {
  const { width } = cloud
  const n = countOf(cloud)
  const mean = new Float64Array(width)
  for (let r = 0; r < n; r++)
    for (let c = 0; c < width; c++) mean[c] = (mean[c] as number) + (cloud.data[r * width + c] as number) / n
  let [energy, left] = [0, 0]
  const x = cloud.data.map((value, i) => {
    const apart = value - (mean[i % width] as number)
    energy += value * value
    left += apart * apart
    return apart
  })
  if (left <= ROUNDING * energy) return new Float32Array(n * n)
  return multiply({ a: x, b: x, m: n, n, k: width, transB: true })
}

/** Squared distances of all pairs, [n, n]. */
export async function squaredDistances(cloud: Cloud): Promise<Float64Array> {
  const n = countOf(cloud)
  const gram = await centredGram(cloud)
  const out = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j < i; j++) {
      const [a = 0, b = 0, both = 0] = [gram[i * (n + 1)], gram[j * (n + 1)], gram[i * n + j]]
      // What is left below the rounding of the product is no distance.
      const square = a + b - 2 * both
      out[i * n + j] = out[j * n + i] = square > 1e-6 * (a + b) ? square : 0
    }
  return out
}

/** Median of the distances of different pairs; 0 where all points are one. */
export function medianDistance(squares: Float64Array, n: number): number {
  const pairs = new Float64Array((n * (n - 1)) / 2)
  let at = 0
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) pairs[at++] = squares[i * n + j] as number
  pairs.sort()
  return Math.sqrt(pairs[pairs.length >> 1] ?? 0)
}

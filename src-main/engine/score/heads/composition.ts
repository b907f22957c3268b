// How much of what one attention head writes is read by another, from their weights.
//   Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits": CS(A, B) = |A B|_F / (|A|_F |B|_F)
//   Merullo, Eickhoff and Pavlick 2024, "Talking Heads", section 3: the same with B's singular components one by one
// Matrices of a head are d x d of rank s, so all is done in s x s: with W_OV = O V and V V^T = G, |A O V|_F = |A O G^1/2|_F.
import { symmetricEigen } from '../../kernels/linear/eigen.ts'
import { multiply } from '../../kernels/linear/multiply.ts'

/** What a head writes: columns sigma_i u_i of W_OV's singular value decomposition, as rows [size, width]. */
export interface Written {
  components: Float32Array
  norms: Float64Array // [size], sigma_i, falling
  norm: number // |W_OV|_F
}

/** What a head reads by one of its three inputs: L R with L's part as a square root, [size, width]. */
export interface Reading {
  data: Float32Array
  norm: number
}

const frobenius = (x: Float32Array): number => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0))

/** G^1/2 of G = X X^T, X [size, width]. */
async function rootOfGram(x: Float32Array, size: number, width: number): Promise<Float32Array> {
  const gram = await multiply({ a: x, b: x, m: size, n: size, k: width, transB: true })
  const { values, vectors } = symmetricEigen(gram, size)
  const scaled = vectors.map((v, i) => v * Math.sqrt(Math.sqrt(Math.max(0, values[Math.floor(i / size)] ?? 0))))
  return multiply({ a: scaled, b: scaled, m: size, n: size, k: size, transA: true })
}

/** o^T [size, width]: what each channel of the head adds to the stream; v [size, width]: what it reads. */
export async function writtenBy(o: Float32Array, v: Float32Array, size: number, width: number): Promise<Written> {
  const whole = await multiply({ a: await rootOfGram(v, size, width), b: o, m: size, n: width, k: size })
  const gram = await multiply({ a: whole, b: whole, m: size, n: size, k: width, transB: true })
  const { values, vectors } = symmetricEigen(gram, size)
  const components = await multiply({ a: vectors, b: whole, m: size, n: width, k: size })
  return { components, norms: values.map((value) => Math.sqrt(Math.max(0, value))), norm: frobenius(whole) }
}

/** left [size, other]: what is done with what is read; right [size, width]: the reading itself. |left^T right X| is kept. */
export async function readingOf(
  left: Float32Array,
  right: Float32Array,
  size: number,
  width: number,
): Promise<Reading> {
  const root = await rootOfGram(left, size, left.length / size)
  const data = await multiply({ a: root, b: right, m: size, n: width, k: size })
  return { data, norm: frobenius(data) }
}

export interface Composition {
  score: number // of the whole matrices, 0 .. 1
  component: number // the largest of B's singular components alone
  index: number // which one
}

/** Compositions of every reading with everything written: [readings][writers]. Matrices of zeros compose with nothing. */
export async function compose(
  readings: readonly Reading[],
  writers: readonly Written[],
  width: number,
): Promise<Composition[][]> {
  const sizes = { read: (readings[0]?.data.length ?? 0) / width, write: (writers[0]?.components.length ?? 0) / width }
  const stack = (parts: readonly Float32Array[]) => {
    const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
    parts.reduce((at, part) => (out.set(part, at), at + part.length), 0)
    return out
  }
  const a = stack(readings.map(({ data }) => data))
  const b = stack(writers.map(({ components }) => components))
  const [m, n] = [readings.length * sizes.read, writers.length * sizes.write]
  const product = await multiply({ a, b, m, n, k: width, transB: true })
  return readings.map((reading, r) =>
    writers.map((writer, w) => {
      let [total, component, index] = [0, 0, 0]
      for (let c = 0; c < sizes.write; c++) {
        let squares = 0
        for (let i = 0; i < sizes.read; i++)
          squares += (product[(r * sizes.read + i) * n + w * sizes.write + c] ?? 0) ** 2
        total += squares
        const own = Math.sqrt(squares) / (reading.norm * (writer.norms[c] ?? 0))
        // Components that are rounding have no direction.
        if ((writer.norms[c] ?? 0) > 1e-3 * (writer.norms[0] ?? 0) && own > component) [component, index] = [own, c]
      }
      const scale = reading.norm * writer.norm
      return { score: scale > 0 ? Math.sqrt(total) / scale : 0, component, index }
    }),
  )
}

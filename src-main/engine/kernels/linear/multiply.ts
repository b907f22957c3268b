// Matrix products on ONNX Runtime. On the CPU its kernel adds along k in tiles of 128 whatever part of the rows and columns a
// thread takes, with one exception (a not transposed, fewer than 65 columns a thread), which `threadsFor` rules out: the
// result is the same for any number of threads.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../../src-preload/contract/project.ts'
import { placeOf } from './device.ts'
import { openProduct, type Product, type ProductShape } from '../../runtime/product.ts'
import { defaultThreads } from '../../runtime/session.ts'

export interface ProductTerms {
  a: Float32Array // [m, k]; with transA [k, m]
  b: Float32Array // [k, n]; with transB [n, k]
  m: number
  n: number
  k: number
  transA?: boolean
  transB?: boolean
  alpha?: number // default 1
  c?: Float32Array // [m, n]
  beta?: number // default 1
  /** Where the result goes, [m, n]; may be `c`. Default: new memory. */
  out?: Float32Array
}

export interface ProductPlace {
  device?: DeviceId // default: the CPU; others are used where they were measured to be quicker, see device.ts
  threads?: number
  notify?: (notice: string) => void
}

const MOST_OPEN = 24
const COLUMNS_A_THREAD = 96 // 80 or more after rounding to vectors of 16
const open = new Map<string, Promise<Product>>()

/** alpha op(a) op(b) + beta c, row-major. Throws Fault('bad-arguments') when a length does not fit its shape. */
export async function multiply(terms: ProductTerms, place: ProductPlace = {}): Promise<Float32Array> {
  const { a, b, c, m, n, k, transA = false, transB = false, alpha = 1, beta = 1 } = terms
  const out = terms.out ?? new Float32Array(m * n)
  check('a', a, m, k)
  check('b', b, k, n)
  if (c) check('c', c, m, n)
  check('out', out, m, n)
  if (m === 0 || n === 0) return out
  if (k === 0) return scaled(c, beta, out)
  const shape = { transA, transB, alpha, beta: c ? beta : 0, hasC: c !== undefined }
  const device = await placeOf(place.device ?? 'cpu', m * n * k)
  const product = await productFor(shape, device, threadsFor(terms, place.threads), place.notify)
  await product.run(
    { data: a, dims: transA ? [k, m] : [m, k] },
    { data: b, dims: transB ? [n, k] : [k, n] },
    c ? { data: c, dims: [m, n] } : null,
    { data: out, dims: [m, n] },
  )
  return out
}

function threadsFor({ m, n, transA }: ProductTerms, wanted = defaultThreads()): number {
  if (transA) return wanted
  return Math.max(1, Math.min(wanted, Math.floor(n > m ? n / COLUMNS_A_THREAD : m / 2)))
}

/** An open session for this form of product; the one unused for longest is closed when there are many. */
async function productFor(
  shape: ProductShape,
  device: DeviceId,
  threads: number,
  notify: (notice: string) => void = () => undefined,
): Promise<Product> {
  const key = JSON.stringify([Object.values(shape), device, threads])
  const found = open.get(key) ?? openProduct(shape, { device, threads }, notify)
  open.delete(key)
  open.set(key, found)
  found.catch(() => open.delete(key))
  for (const [old, product] of open) {
    if (open.size <= MOST_OPEN) break
    open.delete(old)
    void product.then((session) => session.release())
  }
  return found
}

function scaled(c: Float32Array | undefined, beta: number, out: Float32Array): Float32Array {
  for (let i = 0; i < out.length; i++) out[i] = c ? beta * (c[i] ?? 0) : 0
  return out
}

function check(name: string, data: Float32Array, rows: number, cols: number): void {
  if (data.length === rows * cols) return
  throw new Fault('bad-arguments', `Matrix product: ${name} has ${data.length} numbers, not ${rows} x ${cols}.`, {
    data: { field: name, expected: `${rows * cols}`, found: `${data.length}` },
  })
}

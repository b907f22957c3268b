// Matrix products y = alpha op(a) op(b) + beta c as one-node graphs, which write into memory that the caller gives: the
// result of one is an operand of the next, and copies of 64 MiB would cost as much as the arithmetic.
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import { encodeModel } from '../checkpoint/onnx/encode.ts'
import { float, type Graph, int, node, type ValueInfo } from '../graph/ir.ts'
import { deviceTitles, type LiveSession, reasonOf, withFallback } from './fallback.ts'
import { runtime, type Tensor } from './ort.ts'
import { settings } from './session.ts'
import { toTensor } from './tensors.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'

export interface ProductShape {
  transA: boolean
  transB: boolean
  alpha: number
  beta: number
  hasC: boolean
}

/** A row-major matrix: shares memory with whoever made it, also memory shared among threads. */
export interface Operand {
  data: Float32Array
  dims: [number, number]
}

export interface Product {
  readonly device: DeviceId // where it really runs
  /** `y` may be the memory of `c`. */
  run(a: Operand, b: Operand, c: Operand | null, y: Operand): Promise<void>
  release(): Promise<void>
}

const free = (name: string): ValueInfo => ({ name, dtype: 'float32', shape: [`${name}0`, `${name}1`] })

function productGraph({ transA, transB, alpha, beta, hasC }: ProductShape): Graph {
  const inputs = hasC ? ['a', 'b', 'c'] : ['a', 'b']
  const attributes = {
    transA: int(Number(transA)),
    transB: int(Number(transB)),
    alpha: float(alpha),
    beta: float(beta),
  }
  return {
    name: 'product',
    irVersion: 10,
    opsets: new Map([['', 17]]),
    nodes: [node('Gemm', inputs, ['y'], attributes)],
    inputs: inputs.map(free),
    outputs: [free('y')],
    initializers: new Map(),
    values: new Map(),
    functions: [],
    metadata: new Map(),
    producer: 'lathe',
  }
}

async function open(model: Uint8Array, device: DeviceId, threads: number): Promise<LiveSession> {
  const failed = (doing: string, error: unknown) =>
    new Fault('device', `${deviceTitles[device]} could not ${doing} a matrix product: ${reasonOf(error)}`, {
      data: { found: device },
      cause: error,
    })
  const session = await runtime()
    .InferenceSession.create(model, settings(device, threads))
    .catch((error: unknown) => {
      throw failed('open', error)
    })
  return {
    inputNames: session.inputNames,
    outputNames: session.outputNames,
    async run({ y, ...operands }) {
      if (y === undefined) throw new Fault('internal', 'A matrix product without a place for its result.')
      const feeds: Record<string, Tensor> = {}
      for (const [name, value] of Object.entries(operands)) feeds[name] = toTensor(name, value)
      try {
        await session.run(feeds, { y: toTensor('y', y) })
        return {}
      } catch (error) {
        throw failed('run', error)
      }
    },
    release: () => session.release(),
  }
}

const value = ({ data, dims }: Operand) => ({ dtype: 'float32' as const, dims: [...dims], data })

/** Opens a product on a device; as OpenSession, a device that fails twice gives way to the CPU and `notify` hears why. */
export async function openProduct(
  shape: ProductShape,
  options: { device: DeviceId; threads: number },
  notify: (notice: string) => void,
): Promise<Product> {
  const model = encodeModel(productGraph(shape), () => new Uint8Array())
  const session = await withFallback((device) => open(model, device, options.threads), options.device, notify)
  return {
    get device() {
      return session.device
    },
    async run(a, b, c, y) {
      await session.run({ a: value(a), b: value(b), ...(c && { c: value(c) }), y: value(y) })
    },
    release: () => session.release(),
  }
}

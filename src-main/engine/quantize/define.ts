import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { MethodUse, Option } from '../../../src-preload/contract/plan.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import type { Layer, Network } from '../checkpoint/network.ts'
import type { Hessian } from '../kernels/linear/types.ts'
import type { MethodBase } from '../method.ts'
import type { WeightRows } from './rows.ts'
import type { CompressedMatrix } from './types.ts'

export interface QuantizeContext {
  layer: string // for messages
  /** How much each input channel matters, [cols], >= 0: the squared error of column c is weighted by it. Default: all 1. */
  importance?: Float32Array
  /** What is known of the inputs, for methods that need 'hessian': one, or one for each group of a convolution, whose
   *  output channels are split evenly among them. */
  hessians?: readonly Hessian[]
  seed?: number // of methods that draw; default 0
  device?: DeviceId // where matrix products may run; default: the CPU
  notify?: (notice: string) => void // what a person should hear: damping raised, a fallback taken
  threads?: number // default: all cores; the result is the same for any number
  progress?: (fraction: number) => void
}

export interface Quantizer<
  P extends z.ZodObject = z.ZodObject,
  R extends CompressedMatrix = CompressedMatrix,
> extends MethodBase<P> {
  /** Sparsifiers and factorizers share the shape: a weight and an option in, a stored form out. */
  family: 'quantize' | 'sparsify' | 'factorize'
  /** The option that stores what a plain one (`rtn`, `ggml`) stores, with codes chosen by this method; its `form` is the
   *  plain one's id, its `bits` the same. Null where there is none. It may name another quantizer that does for this form
   *  what is asked (error feedback in GGUF blocks). */
  twin?(plain: Option, parameters: z.output<P>): Option | null
  /** What it offers for a layer in forms of its own. */
  options?(layer: Layer, parameters: z.output<P>): Option[]
  /** The same where what a layer is offered depends on the weights of all of them: looks at these once. */
  across?(network: Network, parameters: z.output<P>): Promise<(layer: Layer) => Option[]>
  /** How calibration rows are weighed in the Hessian; absent: all alike. */
  tokens?(parameters: z.output<P>): TokenWeighting | null
  /** Takes minutes a layer: sensitivity tries the plain option of its form in its place, whose loss it stays below. */
  slow?: true
  /** Rewritings that belong before it: chosen with it, and free to be taken out again. */
  prepare?: readonly MethodUse[]
  /** Reads the weights by row blocks, so that memory holds the result and one block. Faults on weights that are not
   *  finite and on parameters that do not fit the schema. */
  apply(source: WeightRows, parameters: z.output<P>, context: QuantizeContext): R | Promise<R>
}

/** Importance of tokens (calibration rows) for RSQ-like methods; strategies in engine/calibrate/tokens. */
export interface TokenWeighting {
  strategy: string
  parameters: Record<string, number>
}

/** A quantizer with its parameters checked at the door. */
export const defineQuantizer = <P extends z.ZodObject, R extends CompressedMatrix>(
  method: Omit<Quantizer<P, R>, 'family'>,
): Quantizer<P, R> => defineCompressor({ ...method, family: 'quantize' })

/** The same for sparsifiers and factorizers, which say what they are. */
export function defineCompressor<P extends z.ZodObject, R extends CompressedMatrix>(
  method: Quantizer<P, R>,
): Quantizer<P, R> {
  return {
    ...method,
    apply(source, parameters, context) {
      const parsed = method.params.safeParse(parameters)
      if (!parsed.success)
        throw new Fault('bad-arguments', `${method.id} for layer ${context.layer}: ${z.prettifyError(parsed.error)}`)
      return method.apply(source, parsed.data, context)
    },
  }
}

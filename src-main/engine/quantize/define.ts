import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { MethodBase } from '../method.ts'
import type { WeightRows } from './rows.ts'
import type { CompressedMatrix } from './types.ts'

export interface QuantizeContext {
  layer: string // for messages
  /** How much each input channel matters, [cols], >= 0: the squared error of column c is weighted by it. Default: all 1. */
  importance?: Float32Array
  threads?: number // default: all cores; the result is the same for any number
  progress?: (fraction: number) => void
}

export interface Quantizer<
  P extends z.ZodObject = z.ZodObject,
  R extends CompressedMatrix = CompressedMatrix,
> extends MethodBase<P> {
  family: 'quantize'
  /** Reads the weights by row blocks, so that memory holds the result and one block. Faults on weights that are not
   *  finite and on parameters that do not fit the schema. */
  apply(source: WeightRows, parameters: z.output<P>, context: QuantizeContext): R
}

/** A quantizer with its parameters checked at the door. */
export function defineQuantizer<P extends z.ZodObject, R extends CompressedMatrix>(
  method: Omit<Quantizer<P, R>, 'family'>,
): Quantizer<P, R> {
  return {
    ...method,
    family: 'quantize',
    apply(source, parameters, context) {
      const parsed = method.params.safeParse(parameters)
      if (!parsed.success)
        throw new Fault('bad-arguments', `${method.id} for layer ${context.layer}: ${z.prettifyError(parsed.error)}`)
      return method.apply(source, parsed.data, context)
    },
  }
}

import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import type { Network } from '../checkpoint/network.ts'
import type { Dataset } from '../data/types.ts'
import type { MethodBase } from '../method.ts'
import type { TaskContext } from '../protocol.ts'

/** Numbers measured on calibration data that a rewriting needs, by name: `<seam or value>/<what>`. */
export type Measured = ReadonlyMap<string, Float32Array>

export interface MeasureArguments {
  network: Network // as the rewritings before this one left it
  dataset: Dataset
  samples: number
  seed: number
  device: DeviceId
  /** What finishes a variant sees its compressed layers: weights by name, in the tensor's memory order. */
  compressed?: ReadonlyMap<string, Float32Array>
}

/** A rewriting of the network before anything is rounded: another Network over the same checkpoint, its tensors computed
 *  when read. Family 'prepare' leaves the function as it is, up to rounding of float32 (rotations, scalings moved from
 *  one weight to the next); family 'activate' rounds what flows between the layers, as the graph then really does; family 'rewrite' changes the
 *  function, as leaving blocks out does. */
export interface Preparation<P extends z.ZodObject = z.ZodObject> extends MethodBase<P> {
  family: 'prepare' | 'activate' | 'rewrite'
  /** It is measured and done when all layers are compressed, which are the same with or without it. */
  finishes?: true
  /** Calibrated layers are compressed so that they match what the original network gives (calibrate/match.ts). */
  matches?: true
  /** Why it cannot be done to this network, in words; null when it can. Headers and graph only. */
  refuses(network: Network, parameters: z.output<P>): string | null
  /** Present where `needs` lists activations: one pass over calibration data. */
  measure?(args: MeasureArguments, parameters: z.output<P>, context: TaskContext): Promise<Measured>
  /** What a person should know of what was measured, a sentence each. */
  report?(args: MeasureArguments, parameters: z.output<P>, measured: Measured, context: TaskContext): Promise<string[]>
  /** Pure: same arguments, same network. `measured` null stands for nothing yet: layers, shapes and bytes of the result
   *  must be right, its values need not be. */
  apply(network: Network, parameters: z.output<P>, given: { seed: number; measured: Measured | null }): Network
}

/** A preparation with its parameters checked at the door, and networks it does not fit refused. */
export function definePreparation<P extends z.ZodObject>(method: Preparation<P>): Preparation<P> {
  const parse = (parameters: unknown): z.output<P> => {
    const parsed = method.params.safeParse(parameters)
    if (parsed.success) return parsed.data
    throw new Fault('bad-arguments', `${method.id}: ${z.prettifyError(parsed.error)}`, { data: { field: method.id } })
  }
  const { measure, report } = method
  return {
    ...method,
    refuses: (network, parameters) => method.refuses(network, parse(parameters)),
    ...(measure && { measure: (args, parameters, context) => measure(args, parse(parameters), context) }),
    ...(report && {
      report: (args, parameters, measured, context) => report(args, parse(parameters), measured, context),
    }),
    apply(network, parameters, given) {
      const checked = parse(parameters)
      const reason = method.refuses(network, checked)
      if (reason === null) return method.apply(network, checked, given)
      throw new Fault('unsupported', `${method.title} does not fit ${network.name}: ${reason}.`, {
        hint: 'Leave it out, or choose another.',
        data: { file: network.path, found: method.id },
      })
    },
  }
}

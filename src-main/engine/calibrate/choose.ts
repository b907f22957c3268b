// What a layer's option needs to be carried out, and what takes its place where that is not to be had.
import { Fault } from '../../../src-preload/contract/fault.ts'
import { feedsBack, isWeighted, type Option } from '../../../src-preload/contract/plan.ts'
import type { Layer } from '../checkpoint/network.ts'
import type { Hessian } from '../kernels/linear/types.ts'
import type { TokenWeighting } from '../quantize/define.ts'
import { quantizerOf } from '../quantize/options.ts'

export const needsHessian = (option: Option, layer: string): boolean =>
  quantizerOf(option, layer).needs.includes('hessian') || feedsBack(option)

/** How the option wants calibration rows weighed; null: all alike. Faults 'bad-arguments' on its parameters. */
export function weightingOf(option: Option, layer: string): TokenWeighting | null {
  const { params, tokens } = quantizerOf(option, layer)
  if (!tokens) return null
  const parsed = params.safeParse({ ...option.parameters, bits: option.bits })
  if (parsed.success) return tokens(parsed.data)
  throw new Fault('bad-arguments', `${option.method} for layer ${layer}: its parameters do not fit.`, {
    data: { tensor: layer, found: option.id },
  })
}

/** The plain option in whose form another stores its codes; null where it has a form of its own. */
export function plainOf({ form, bits, parameters }: Option): Option | null {
  if (form === undefined) return null
  const { type, granularity, groupSize, symmetric } = parameters
  if (typeof type === 'string') return { id: form, method: 'ggml', bits, parameters: { type } }
  const grid = { granularity, groupSize, symmetric, search: 'mse' }
  const given = Object.entries(grid).filter(([, value]) => value !== undefined)
  return { id: form, method: 'rtn', bits, parameters: Object.fromEntries(given) as Option['parameters'] }
}

/** Nothing is known of the inputs: all weigh alike. Faults where the matrix would be too large. */
export function identityHessian({ name, cols }: Layer): Hessian {
  if (cols > 16384)
    throw new Fault('unsupported', `${name}: nothing is known of its ${cols} inputs, and its method needs that.`, {
      hint: 'Keep this layer, or give it a method that needs weights only.',
      data: { tensor: name },
    })
  const data = new Float32Array(cols * cols)
  for (let i = 0; i < cols; i++) data[i * cols + i] = 1
  return { size: cols, data, rows: cols }
}

/** Mean squared input of each column, [cols]; of groups their mean. */
export function diagonalOf(hessians: readonly Hessian[]): Float32Array {
  const size = hessians[0]?.size ?? 0
  return Float32Array.from(
    { length: size },
    (_, i) => hessians.reduce((sum, { data }) => sum + (data[i * size + i] ?? 0), 0) / hessians.length,
  )
}

/** Whether anything measured of its inputs changes what comes out. */
export const looksAtInputs = (option: Option, layer: string): boolean =>
  needsHessian(option, layer) || isWeighted(option)

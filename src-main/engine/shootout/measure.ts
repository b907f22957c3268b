// One option on one layer: what it stores, and what it does to weights and outputs.
//   weight error  ||W - Q||^2 / ||W||^2
//   output error  tr((W - Q) H (W - Q)^T) / tr(W H W^T) = E ||(W - Q) x||^2 / E ||W x||^2,  H = E x x^T
import type { ShootoutRow } from '../../../src-preload/contract/shootout.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import { toFault } from '../../../src-preload/contract/fault.ts'
import type { Option } from '../../../src-preload/contract/plan.ts'
import { diagonalOf, looksAtInputs, needsHessian } from '../calibrate/choose.ts'
import type { Layer } from '../checkpoint/network.ts'
import { outputError } from '../kernels/linear/error.ts'
import type { QuantizeContext } from '../quantize/define.ts'
import { weightError } from '../quantize/dequantize.ts'
import { applyOption } from '../quantize/options.ts'
import type { WeightRows } from '../quantize/rows.ts'
import { storedBytes } from './bytes.ts'
import type { Contestant } from './contestants.ts'
import type { LayerInputs } from './inputs.ts'

export interface Arena {
  layer: Layer
  source: WeightRows
  inputs: LayerInputs | null
  prepared: string[] // titles of what was done to the network before
  notes: string[] // what of that could not be
  seed: number
  device: DeviceId
}

/** What a run would tell the quantizer of this layer. */
function contextOf(option: Option, { layer, inputs, seed, device }: Arena, notes: string[]): QuantizeContext {
  const context: QuantizeContext = { layer: layer.name, seed, device, notify: (notice) => notes.push(notice) }
  if (!inputs || !looksAtInputs(option, layer.name)) return context
  const importance = diagonalOf(inputs.calibrate)
  if (!needsHessian(option, layer.name)) return { ...context, importance }
  return { ...context, importance, hessians: inputs.calibrate }
}

/** Tries one option. What fails is a row that says why; only a cancelled job stops the others. */
export async function measureOption({ quantizer, option }: Contestant, arena: Arena): Promise<ShootoutRow> {
  const { source, inputs, prepared, device } = arena
  const notes = [...arena.notes]
  const weights = source.rows * source.cols
  const base = {
    option,
    method: quantizer.id,
    prepared,
    notes,
    source: inputs?.source ?? 'weight error only (no inputs)',
  }
  const began = performance.now()
  const seconds = (): number => (performance.now() - began) / 1000
  try {
    const made = await applyOption(source, option, contextOf(option, arena, notes))
    const took = seconds()
    const bytes = storedBytes(made)
    return {
      ...base,
      ...{ bytes, bitsPerWeight: (8 * bytes) / weights, seconds: took, fault: null },
      weightError: weightError(source, made).relative,
      outputError: inputs ? (await outputError(source, made, inputs.judge, { device })).relative : null,
    }
  } catch (error) {
    const fault = toFault(error).toShape()
    const nothing = { bytes: null, bitsPerWeight: null, weightError: null, outputError: null }
    return { ...base, ...nothing, seconds: seconds(), fault }
  }
}

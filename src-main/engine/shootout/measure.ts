// One option on one layer: what it stores, and what it does to weights and outputs.
//   weight error  ||W - Q||^2 / ||W||^2
//   output error  tr((W - Q) H (W - Q)^T) / tr(W H W^T) = E ||(W - Q) x||^2 / E ||W x||^2,  H = E x x^T
import type { ShootoutRow } from '../../../src-preload/contract/shootout.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import { Fault, toFault } from '../../../src-preload/contract/fault.ts'
import { isWeighted } from '../../../src-preload/contract/plan.ts'
import type { Layer } from '../checkpoint/network.ts'
import { outputError } from '../kernels/linear/error.ts'
import type { Hessian } from '../kernels/linear/types.ts'
import type { QuantizeContext } from '../quantize/define.ts'
import { weightError } from '../quantize/dequantize.ts'
import { applyOption, quantizerOf } from '../quantize/options.ts'
import type { WeightRows } from '../quantize/rows.ts'
import { storedBytes } from './bytes.ts'
import type { Contestant } from './contestants.ts'
import type { LayerInputs } from './inputs.ts'

export interface Arena {
  layer: Layer
  source: WeightRows
  inputs: LayerInputs | null
  prepared: string[] // titles of what was done to the network before
  seed: number
  device: DeviceId
}

/** Mean squared input of every column, [cols]; over the groups of a convolution their mean. */
export function importanceOf(hessians: readonly Hessian[]): Float32Array {
  const size = hessians[0]?.size ?? 0
  const importance = new Float32Array(size)
  for (const { data } of hessians)
    for (let i = 0; i < size; i++) importance[i] = (importance[i] ?? 0) + (data[i * size + i] ?? 0) / hessians.length
  return importance
}

/** Tries one option. What fails is a row that says why; only a cancelled job stops the others. */
export async function measureOption({ quantizer, option }: Contestant, arena: Arena): Promise<ShootoutRow> {
  const { layer, source, inputs, prepared, seed, device } = arena
  const notes: string[] = []
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
    const context: QuantizeContext = { layer: layer.name, seed, device, notify: (notice) => notes.push(notice) }
    if (inputs) {
      context.hessians = inputs.calibrate
      if (isWeighted(option)) context.importance = importanceOf(inputs.calibrate)
    } else if (quantizerOf(option, layer.name).needs.includes('hessian'))
      throw new Fault('bad-data', `${quantizer.title} needs the inputs of ${layer.name}, and there are none.`, {
        hint: 'Choose data for the project. Layers that only look rows up (embeddings) have no inputs.',
        data: { tensor: layer.name },
      })
    const made = await applyOption(source, option, context)
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

// One option carried out on one layer, and what it does before the network is run: to the weights, and to the outputs on the
// layer's own calibration inputs.
//   weight error  ||W - Q||^2 / ||W||^2
//   output error  tr((W - Q) H (W - Q)^T) / tr(W H W^T),  H = E x x^T over the calibration rows
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import type { Option } from '../../../src-preload/contract/plan.ts'
import { identityHessian, needsHessian, plainOf } from '../calibrate/choose.ts'
import type { Layer } from '../checkpoint/network.ts'
import type { Importance } from '../export/define.ts'
import { quadratic } from '../kernels/linear/error.ts'
import type { Hessian } from '../kernels/linear/types.ts'
import { dequantize, weightError } from '../quantize/dequantize.ts'
import { applyOption } from '../quantize/options.ts'
import { rowsOf } from '../quantize/rows.ts'
import type { CompressedMatrix, WeightMatrix } from '../quantize/types.ts'
import { contextFor } from '../quantize/weighted.ts'

export interface Tried {
  option: Option
  error: number
  outputError: number | null // where the layer's inputs are known
  matrix: CompressedMatrix
  standIn: string | null // id of the option that was carried out in its place
}

export interface Trial {
  layer: Layer
  weight: WeightMatrix
  hessians: readonly Hessian[] | null
  energy: number // tr(W H W^T); 0 without Hessians
  importance: Importance | null
  device: DeviceId
}

export async function openTrial(
  layer: Layer,
  weight: WeightMatrix,
  { hessians, importance, device }: Pick<Trial, 'hessians' | 'importance' | 'device'>,
): Promise<Trial> {
  const fitting = hessians?.length && layer.rows % hessians.length === 0 ? hessians : null
  const known = fitting?.every(({ size }) => size === layer.cols) ? fitting : null
  const energy = known ? await outputPower(weight, known, device) : 0
  return { layer, weight, hessians: energy > 0 ? known : null, energy, importance, device }
}

/** Carries an option out. One that wants Hessians gets those of the original network; where there are none, the plain option
 *  in whose form it stores stands in, else all inputs weigh alike. */
export async function tryOption(trial: Trial, option: Option): Promise<Tried> {
  const { layer, weight, importance, device } = trial
  const wants = needsHessian(option, layer.name)
  const plain = wants && trial.hessians === null ? plainOf(option) : null
  const made = plain ?? option
  const context = {
    ...contextFor(layer, made, importance),
    ...(wants && plain === null && { hessians: trial.hessians ?? [identityHessian(layer)] }),
    device,
    seed: 0,
  }
  const matrix = await applyOption(weight, made, context)
  return {
    option,
    error: weightError(rowsOf(weight), matrix).relative,
    outputError: trial.hessians ? await outputErrorOf(trial, matrix) : null,
    matrix,
    standIn: plain?.id ?? null,
  }
}

async function outputErrorOf({ weight, hessians, energy, device }: Trial, matrix: CompressedMatrix): Promise<number> {
  const { data } = dequantize(matrix)
  for (let i = 0; i < data.length; i++) data[i] = (weight.data[i] ?? 0) - (data[i] ?? 0)
  return (await outputPower({ ...weight, data }, hessians ?? [], device)) / energy
}

/** tr(X H X^T), rows split evenly among the Hessians of a grouped convolution. */
async function outputPower(
  { data, rows, cols }: WeightMatrix,
  hessians: readonly Hessian[],
  device: DeviceId,
): Promise<number> {
  const share = rows / hessians.length
  let sum = 0
  for (const [group, hessian] of hessians.entries())
    sum += await quadratic(data.subarray(group * share * cols, (group + 1) * share * cols), share, hessian, { device })
  return sum
}

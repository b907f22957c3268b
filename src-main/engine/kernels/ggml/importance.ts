import { Fault } from '../../../../src-preload/contract/fault.ts'

const LEAST = 1e-6 // of the mean: columns that never mattered still get sensible codes

/** Importance as the kernels want it: of mean 1, never 0. null where it says nothing (all columns alike). */
export function weigh(importance: Float32Array, cols: number, layer: string): Float32Array | null {
  const bad = importance.findIndex((value) => !(value >= 0 && value < Infinity))
  if (importance.length !== cols || bad >= 0) {
    const found = bad >= 0 ? `${importance[bad]} for column ${bad}` : `${importance.length} numbers`
    throw new Fault('bad-arguments', `Layer ${layer}: its importance is ${found}.`, {
      hint: 'Measure the importance again, or compress without it.',
      data: { tensor: layer, expected: `${cols} finite numbers, none negative`, found },
    })
  }
  const mean = importance.reduce((sum, value) => sum + value, 0) / cols
  if (mean === 0 || importance.every((value) => value === importance[0])) return null
  return importance.map((value) => value / mean + LEAST)
}

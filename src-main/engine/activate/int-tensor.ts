// Activations as whole numbers with one calibrated scale for each layer's input (static), as integer runtimes want them.
//   Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2.1
//   s = (hi - lo) / (2^b - 1), z = round(-lo / s), q = clamp(round(x / s) + z, 0, 2^b - 1), x -> (q - z) s
// Written out as arithmetic. An ONNX file says the same at 8 bits with QuantizeLinear and DequantizeLinear, of which ONNX
// Runtime makes integer products (export/onnx/static-rounding.ts).
import { z } from 'zod'
import type { Bench } from './bench.ts'
import { choiceParameters, defineActivation, sitesOf } from './method.ts'
import { chooseRange, Counts, type Grid, gridOf, rangeChoices } from './range.ts'
import { seeActivations } from './seen.ts'

const parameters = z.object({
  bits: z.int().min(4).max(8).default(8).describe('Bits of an activation'),
  symmetric: z.boolean().default(false).describe('Zero in the middle of the codes: -127 .. 127 instead of 0 .. 255'),
  range: z.enum(rangeChoices).default('mse').describe('How the range is chosen from what calibration saw'),
  percentile: z.number().min(90).max(100).default(99.99).describe('For "percentile": the share that the range keeps'),
  ...choiceParameters,
})

export const intTensor = defineActivation({
  id: 'int-tensor',
  title: 'Whole-number activations, calibrated',
  summary: 'Rounds what enters each layer on one grid, chosen on calibration data: what integer runtimes run fastest.',
  cite: 'Jacob et al. 2018, section 2.1; ranges: Wu et al. 2020, Integer Quantization, section 5; Banner et al. 2019, eq. 4',
  formula: 's = (hi - lo) / (2^b - 1), z = round(-lo / s), x -> (clamp(round(x / s) + z, 0, 2^b - 1) - z) s',
  cost: 'one pass over calibration data; a pass over each activation while running',
  needs: ['activations'],
  version: 1,
  params: parameters,
  async measure(args, given, context) {
    const sites = sitesOf(args.network, given, true)
    const counts = new Map(sites.map((site) => [site.layer, new Counts()]))
    await seeActivations(args, sites, ({ layer }, values) => counts.get(layer)?.add(values), context)
    return new Map(
      [...counts].map(([layer, found]) => [
        `${layer}/range`,
        Float32Array.from(chooseRange(found, given.range, given)),
      ]),
    )
  },
  emit(bench, value, _site, { bits, symmetric }, numbers) {
    const [lo = -1, hi = 1] = numbers('range') ?? []
    const grid = gridOf(lo, hi, bits, symmetric)
    return roundStatic(bench, value, grid)
  },
  mark: ({ bits, symmetric }) => ({ type: 'int', bits, scale: 'tensor', dynamic: false, symmetric }),
})

/** (clamp(round(x / s), lowest - z, highest - z)) s. */
export function roundStatic(bench: Bench, value: string, { scale, zero, lowest, highest }: Grid): string {
  const step = bench.floats([scale], [])
  const whole = bench.op('Round', [bench.op('Div', [value, step])])
  const codes = bench.op('Clip', [whole, bench.scalar(lowest - zero), bench.scalar(highest - zero)])
  return bench.op('Mul', [codes, step])
}

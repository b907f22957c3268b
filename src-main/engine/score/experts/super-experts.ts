// Super experts: the few experts of a mixture that make massive activations, and without which it breaks.
//   Su et al. 2025, "Unveiling Super Experts in Mixture-of-Experts Large Language Models" (profiling):
//   a_le = max over tokens of |down_proj output| of expert e in layer l;  A = all a_le
//   super:  a_le > P99.5(A)  and  a_le > max(A) / 10  and  l in L, the layers that form massive activations
// The text found does not define L by a number. Massive, after Sun et al. 2024, "Massive Activations in Large Language
// Models", section 2: a hidden state above 100 and above 1000 times the median. L here: blocks behind which a hidden state is
// massive, and at least twice as large as before them. Percentiles are interpolated between neighbours.
// Cost: one forward pass that gives out every expert's result; a look at each number of it.
import { z } from 'zod'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Network } from '../../checkpoint/network.ts'
import { findUses } from '../../graph/uses.ts'
import { flowOf } from '../../probe/flow.ts'
import type { TensorValue } from '../../runtime/types.ts'
import { defineScore } from '../define.ts'
import { floatsOf, PositionSample, requireFinite } from '../hidden.ts'

const TITLE = 'Super experts'
const PERCENTILE = 0.995
const OF_LARGEST = 0.1
const GROWTH = 2

interface Expert {
  key: string // '<block>/<expert>'
  block: number
  value: string // what its down projection gives
}

function expertsOf(network: Network): Expert[] {
  const { graph } = network
  if (graph === null) return []
  const uses = findUses(graph)
  return network.layers.flatMap(({ name, role, expert, block }) => {
    const value = role === 'down' && expert !== undefined ? uses.of(name)[0]?.node.outputs[0] : undefined
    return value === undefined ? [] : [{ key: `${block ?? 0}/${expert}`, block: block ?? 0, value }]
  })
}

const borders = (network: Network) =>
  flowOf(network).flatMap(({ index, input, output }) => (input && output ? [{ index, input, output }] : []))

/** Value below which a share of the numbers lies, interpolated. */
export function percentileOf(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const at = share * (sorted.length - 1)
  const low = sorted[Math.floor(at)] ?? 0
  return low + (at % 1) * ((sorted[Math.ceil(at)] ?? low) - low)
}

/** Which of the experts' largest outputs are super, given the blocks that form massive activations. */
export function superExperts(
  experts: readonly { block: number; largest: number }[],
  forming: ReadonlySet<number>,
): boolean[] {
  const all = experts.map(({ largest }) => largest)
  const least = Math.max(percentileOf(all, PERCENTILE), OF_LARGEST * Math.max(0, ...all))
  return experts.map(({ block, largest }) => largest > 0 && largest > least && forming.has(block))
}

function largestOf(tensor: TensorValue | undefined, name: string): { largest: number; rows: number } {
  const data = floatsOf(tensor, name)
  let largest = 0
  for (const x of data) {
    largest = Math.max(largest, Math.abs(x)) // NaN stays
  }
  return { largest, rows: data.length / Math.max(1, tensor?.dims.at(-1) ?? 1) }
}

function medianSize(rows: Float32Array): number {
  const sorted = rows.map(Math.abs).sort()
  return sorted[sorted.length >> 1] ?? 0
}

export const superExpertScore = defineScore({
  id: 'super-experts',
  title: TITLE,
  summary:
    'Largest outlier that each expert of a mixture puts out; the few that make massive activations must be kept.',
  cite: 'Su et al. 2025, Unveiling Super Experts in Mixture-of-Experts Large Language Models',
  formula:
    'a = max |down_proj output|; super: above P99.5 of all, above a tenth of the largest, in a layer that forms massive activations',
  cost: 'one forward pass that gives out what every expert computes',
  needs: ['activations'],
  version: 1,
  params: z.object({
    magnitude: z.number().positive().default(100).describe('Size from which a hidden state can be massive'),
    ratio: z.number().positive().default(1000).describe('Times the median from which it is'),
  }),
  per: () => 'expert',
  values(network) {
    const experts = expertsOf(network)
    if (experts.length > 0)
      return [
        ...new Set([...experts.map(({ value }) => value), ...borders(network).flatMap((b) => [b.input, b.output])]),
      ]
    throw new Fault('unsupported', `${TITLE}: ${network.name} is no mixture of experts that Lathe knows.`, {
      hint: 'This score is for Mixtral, Qwen-MoE and their like, opened from their Hugging Face folder or GGUF file.',
      data: { file: network.path },
    })
  },
  start(network, { magnitude, ratio }) {
    const experts = expertsOf(network).map((expert) => ({ ...expert, largest: 0, tokens: 0 }))
    const states = new Map(
      borders(network)
        .flatMap(({ input, output }) => [input, output])
        .map((value) => [value, { largest: 0, sample: new PositionSample(256) }]),
    )
    return {
      see(values) {
        for (const expert of experts) {
          const { largest, rows } = largestOf(values[expert.value], expert.value)
          expert.largest = Math.max(expert.largest, largest)
          expert.tokens += rows
        }
        for (const [value, state] of states) {
          const { largest } = largestOf(values[value], value)
          state.largest = Math.max(state.largest, largest)
          state.sample.see(values[value], value)
        }
      },
      finish() {
        for (const { key, largest } of experts) requireFinite(Float32Array.of(largest), `expert ${key}`, TITLE, network)
        const forming = new Set(
          borders(network).flatMap(({ index, input, output }) => {
            const [before, after] = [states.get(input), states.get(output)]
            if (!before || !after || after.largest < magnitude) return []
            const massive = after.largest >= ratio * medianSize(after.sample.rows)
            return massive && after.largest >= GROWTH * before.largest ? [index] : []
          }),
        )
        const flags = superExperts(experts, forming)
        const median = percentileOf(
          experts.map(({ largest }) => largest),
          0.5,
        )
        const found = experts.filter((_, index) => flags[index])
        const idle = experts.filter(({ tokens }) => tokens === 0).map(({ key }) => key)
        const top = experts.reduce((most, expert) => (expert.largest > most.largest ? expert : most))
        const notes = [
          found.length > 0
            ? `Super experts, to be left as they are: ${found.map(({ key }) => key).join(', ')} (block/expert).`
            : `No super experts: ${forming.size === 0 ? 'no block forms massive activations' : 'none stands out where massive activations form'}. The largest output is that of ${top.key} (block/expert).`,
          ...(idle.length > 0 ? [`No token of the calibration data chose ${idle.join(', ')}.`] : []),
        ]
        return {
          values: experts.map(({ key, largest, tokens }, index) => ({
            key,
            value: largest,
            parts: {
              'times the median': median > 0 ? largest / median : 0,
              tokens,
              'super expert': Number(flags[index]),
            },
          })),
          notes,
        }
      },
    }
  },
})

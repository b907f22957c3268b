// Activations as whole numbers, one scale for each group of channels of a token.
//   float scales         s = max |x| / (2^(b-1) - 1)                         Dettmers and Zettlemoyer 2023; ZeroQuant-V2
//   powers of two (MX)   s = 2^(floor(log2 max |x|) - (b - 2))               OCP Microscaling Formats 1.0, section 6.3
// MX keeps one byte for the scale of 32 elements; what passes the largest code there is clipped to it.
// Groups run over channels. Where a group does not divide the channels, the largest smaller one that does is taken.
import { z } from 'zod'
import { int } from '../graph/ir.ts'
import { largestCode, roundSymmetric, tiny } from './arithmetic.ts'
import type { Bench } from './bench.ts'
import { choiceParameters, defineActivation } from './method.ts'
import type { Site } from './sites.ts'

const parameters = z.object({
  bits: z.int().min(4).max(8).default(8).describe('Bits of an activation'),
  groupSize: z.int().min(8).max(1024).default(32).describe('Channels that share a scale'),
  scale: z
    .enum(['float', 'power of two'])
    .default('power of two')
    .describe('What a scale can be; MX has powers of two'),
  ...choiceParameters,
})

export const intGroup = defineActivation({
  id: 'int-group',
  title: 'Whole-number activations, a scale per group',
  summary: 'Rounds what enters each layer with a scale for every few channels of a token, as microscaling formats do.',
  cite: 'OCP Microscaling Formats (MX) Specification 1.0, 2023, section 6.3',
  formula: 's = 2^(floor(log2 max |x|) - (b - 2)) over a group, x -> clamp(round(x / s)) s',
  cost: 'a few passes over each activation while running; nothing to calibrate',
  needs: [],
  version: 1,
  params: parameters,
  refusesSite(site) {
    if (site.channels === null) return 'nothing tells how many channels it has'
    return site.channelAxis === -2 ? 'its channels do not come last, groups of them cannot be cut' : null
  },
  emit(bench, value, site, { bits, groupSize, scale }) {
    const size = fittingGroup(site.channels ?? 1, groupSize)
    return inGroups(bench, value, site, size, (groups, axis) => {
      const largest = bench.op('Max', [
        bench.reduce('ReduceMax', bench.op('Abs', [groups]), [axis]),
        bench.scalar(tiny),
      ])
      return roundSymmetric(bench, groups, scale === 'float' ? largest : powerRange(bench, largest, bits), bits, true)
        .value
    })
  },
  mark: ({ bits }) => ({ type: 'int', bits, scale: 'group', dynamic: true, symmetric: true }),
})

/** The largest divisor of the channels that is no larger than asked. */
export function fittingGroup(channels: number, wanted: number): number {
  for (let size = Math.min(channels, wanted); size > 1; size--) if (channels % size === 0) return size
  return 1
}

/** Applies `round` to [..., group, ...] with the axis of a group's elements; gives the shape back. */
export function inGroups(
  bench: Bench,
  value: string,
  site: Pick<Site, 'image'>,
  size: number,
  round: (groups: string, axis: number) => string,
): string {
  const shape = bench.op('Shape', [value])
  // Images [batch, channels, places ...] as [batch, groups, size, places]; rows as [tokens x groups, size].
  const groups = site.image ? imageGroups(bench, value, size) : bench.op('Reshape', [value, bench.integers([-1, size])])
  return bench.op('Reshape', [round(groups, site.image ? 2 : 1), shape])
}

function imageGroups(bench: Bench, value: string, size: number): string {
  // [batch, channels, places]: a Reshape has one -1, so the channels are split in a second one.
  const flat = bench.op('Reshape', [value, bench.integers([0, 0, -1])])
  const leading = bench.op('Shape', [flat])
  const part = (at: number) => bench.op('Gather', [leading, bench.integers([at])], { axis: int(0) })
  const count = bench.op('Div', [part(1), bench.integers([size])])
  const wanted = bench.op('Concat', [part(0), count, bench.integers([size]), part(2)], { axis: int(0) })
  return bench.op('Reshape', [flat, wanted])
}

/** The range whose scale is MX's: 2^(floor(log2 m) - (b - 2)) (2^(b-1) - 1). */
function powerRange(bench: Bench, largest: string, bits: number): string {
  const exponent = bench.op('Floor', [bench.op('Mul', [bench.op('Log', [largest]), bench.scalar(1 / Math.LN2)])])
  const power = bench.op('Pow', [bench.scalar(2), bench.op('Sub', [exponent, bench.scalar(bits - 2)])])
  return bench.op('Mul', [power, bench.scalar(largestCode(bits))])
}

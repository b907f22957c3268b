// What preparations that move factors over seams have in common.
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Network } from '../checkpoint/network.ts'
import type { Measured } from './define.ts'
import type { Runnable } from './rewriting.ts'
import type { Factors } from './scale.ts'
import type { Seam } from './seams.ts'

export function runnable(network: Network): Runnable {
  const { graph } = network
  if (graph) return { ...network, graph }
  throw new Fault('unsupported', `${network.path}: tensors only, without a graph`, { data: { file: network.path } })
}

export function refusesWithoutSeams(network: Network, seamsOf: (network: Runnable) => readonly Seam[]): string | null {
  const { graph } = network
  if (!graph) return 'it holds tensors only, without a graph'
  if (seamsOf({ ...network, graph }).length > 0) return null
  return 'no two weights of it follow each other so that a factor for each channel can move from one to the other'
}

/** Measured factors; without any, all ones: weights are then computed as they will be, to other numbers. Faults
 *  'bad-input' where they were measured on another network. */
export function factorsFrom(seams: readonly Seam[], measured: Measured | null): Factors {
  if (!measured) return new Map(seams.map(({ name, channels }) => [name, new Float32Array(channels).fill(1)]))
  const known = new Set(seams.map(({ name }) => `${name}/scale`))
  const foreign = [...measured.keys()].find((name) => name.endsWith('/scale') && !known.has(name))
  if (foreign !== undefined)
    throw new Fault('bad-input', `The measured factors hold ${foreign}, which this network does not have.`, {
      hint: 'Measure again: they belong to another network or to other preparations before this one.',
      data: { found: foreign },
    })
  return new Map(
    seams.flatMap(({ name }) => {
      const s = measured.get(`${name}/scale`)
      return s ? [[name, s] as const] : []
    }),
  )
}

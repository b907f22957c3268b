// Keys and values as whole numbers, as a quantized key-value cache holds them.
//   Liu et al. 2024, "KIVI", section 3.2: keys per channel, values per token, asymmetric
//     lo = min x, s = (max x - lo) / (2^b - 1), x -> round((x - lo) / s) s + lo
//   Hooper et al. 2024, "KVQuant", sections 3.1 and 3.2: keys before the rotation of positions, per channel with scales
//     calibrated beforehand; 3.5: the first tokens, on which attention sinks, kept as they are
// A scale per token covers a head, or a group of its features. KIVI finds the scales of a channel on blocks of tokens as they
// fill up; here they are calibrated, as in KVQuant, so that no token's rounding depends on later ones.
// Both together are the default: on stories260K, 4 bits per channel before the rotation cost a thirteenth of a scale per token.
// In a graph that keeps a cache, keys rounded after the rotation and values are rounded as they are read: the cache between
// two steps still holds floats, and the numbers are those of a quantized one.
import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Network } from '../checkpoint/network.ts'
import type { Graph } from '../graph/ir.ts'
import { definePreparation, type Measured } from '../prepare/define.ts'
import { cacheSites, type CacheSite } from './cache-sites.ts'
import { refusesCache, roundCached } from './cache-round.ts'
import { Extremes } from './extremes.ts'
import { insertRoundings, raised, refusesOpset, withGraph } from './rewrite.ts'
import { seeActivations } from './seen.ts'

const parameters = z.object({
  bits: z.int().min(2).max(8).default(8).describe('Bits of a key and of a value'),
  keys: z
    .enum(['token', 'channel'])
    .default('token')
    .describe('What shares a scale in keys; per channel is calibrated'),
  rotary: z
    .enum(['before', 'after'])
    .default('before')
    .describe('Keys as they are before or after positions turn them'),
  groupSize: z.int().min(0).max(1024).default(0).describe('Features of a head that share a scale; 0: the whole head'),
  sink: z.int().min(0).max(4096).default(0).describe('First tokens of a text that stay as they are'),
})
export type CacheParameters = z.output<typeof parameters>

/** Why keys rounded before their rotation cannot leave out the first tokens where a cache is continued. */
const continues = ({ rotary, sink }: CacheParameters): boolean => rotary === 'after' || sink === 0

const sitesFor = (graph: Graph, { rotary }: CacheParameters): CacheSite[] => cacheSites(graph, rotary === 'before')

export const kvCache = definePreparation({
  id: 'kv-cache',
  family: 'activate',
  title: 'Quantized key-value cache',
  summary: 'Rounds keys and values of attention to 2 to 8 bits, as a quantized cache would hold them.',
  cite: 'Liu et al. 2024, KIVI, section 3.2; Hooper et al. 2024, KVQuant, sections 3.1, 3.2 and 3.5',
  formula: 's = (max x - min x) / (2^b - 1), x -> round((x - min x) / s) s + min x',
  cost: 'a pass over keys and values while running; per channel also one over calibration data',
  needs: ['activations'],
  version: 1,
  params: parameters,
  refuses(network, given) {
    if (network.graph === null) return 'it holds tensors only, without a graph'
    return refusesOpset(network.graph) ?? refusesCache(network, raised(network.graph), given)
  },
  async measure(args, given, context) {
    if (given.keys === 'token' || args.network.graph === null) return new Map()
    const keys = sitesFor(raised(args.network.graph), given).filter(({ kind }) => kind === 'key')
    const seen = new Map<string, Extremes>()
    const see = ({ layer, tokenAxis }: CacheSite, values: Float32Array, dims: readonly number[]) => {
      const found = seen.get(layer) ?? new Extremes(dims, [0, tokenAxis])
      seen.set(layer, found)
      found.add(values, dims)
    }
    await seeActivations(args, keys, see, context)
    return new Map(
      [...seen].flatMap(([layer, { lo, hi, shape }]): [string, Float32Array][] => [
        [`${layer}/lo`, lo],
        [`${layer}/hi`, hi],
        [`${layer}/shape`, Float32Array.from(shape)],
      ]),
    )
  },
  apply(network, given, { measured }) {
    if (network.graph === null) throw new Fault('internal', `${network.name} has no graph`)
    const rewrite = (graph: Graph) => insertAll(network, graph, given, measured)
    const made = withGraph(
      network,
      rewrite(raised(network.graph)),
      continues(given) ? (cached) => rewrite(raised(cached)) : null,
    )
    const { bits, keys, groupSize } = given
    const scale = keys === 'channel' ? 'channel' : groupSize > 0 ? 'group' : 'token'
    return {
      ...made,
      rounding: [
        ...(network.rounding ?? []),
        {
          method: 'kv-cache',
          title: 'Quantized key-value cache',
          what: 'cache',
          type: 'int',
          ...{ bits, scale, dynamic: keys === 'token', symmetric: false, layers: [] },
        },
      ],
    }
  },
})

function insertAll(network: Network, graph: Graph, given: CacheParameters, measured: Measured | null): Graph {
  const insertions = sitesFor(graph, given).map((site) => ({
    ...site,
    graph,
    emit: (bench: Parameters<typeof roundCached>[0], value: string) =>
      roundCached(bench, value, site, given, (what) => numbersOf(network, site.layer, what, measured)),
  }))
  return insertRoundings(graph, insertions, 'kv-cache').graph
}

function numbersOf(network: Network, site: string, what: string, measured: Measured | null): Float32Array | null {
  if (measured === null) return null
  const found = measured.get(`${site}/${what}`)
  if (found) return found
  throw new Fault('bad-input', `Quantized key-value cache: calibration measured no ${what} of ${site}.`, {
    hint: 'The measurement was made for another network, or with other parameters: measure again.',
    data: { file: network.path, field: `${site}/${what}` },
  })
}

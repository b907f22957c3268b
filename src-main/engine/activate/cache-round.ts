// The rounding of keys and values, as nodes.
import type { Network } from '../checkpoint/network.ts'
import { int, type Graph } from '../graph/ir.ts'
import { tiny } from './arithmetic.ts'
import type { Bench } from './bench.ts'
import { cacheSites, type CacheSite } from './cache-sites.ts'
import type { CacheParameters } from './kv-cache.ts'
import type { Numbers } from './method.ts'

/** Why the cache of this graph cannot be rounded so; null where it can. */
export function refusesCache(network: Network, graph: Graph, { rotary, groupSize }: CacheParameters): string | null {
  const sites = cacheSites(graph, rotary === 'before')
  if (sites.length === 0)
    return 'no attention is recognised in its graph: scores = q k^T, a Softmax, and its product with v'
  const odd = groupSize > 0 ? sites.find(({ featureAxis }) => featureAxis !== -1) : undefined
  if (odd) return `${odd.layer}: its features do not come last, groups of them cannot be cut; choose groups of 0`
  const size = groupSize > 0 ? headSize(network, graph, sites) : null
  if (size !== null && size % groupSize !== 0)
    return `groups of ${groupSize} do not divide the ${size} features of a head`
  return null
}

/** Features of a head, where the cache or the graph tells them. */
function headSize({ cached }: Network, graph: Graph, sites: readonly CacheSite[]): number | null {
  const kept = cached?.().inputs.find(({ name }) => name.startsWith('past_key_values.'))?.shape
  const shapes = [kept, ...sites.map(({ value }) => graph.values.get(value)?.shape)]
  const size = shapes.map((shape) => shape?.at(-1)).find((last) => typeof last === 'number')
  return size ?? null
}

/** A rounded cache tensor. */
export function roundCached(
  bench: Bench,
  value: string,
  site: CacheSite,
  given: CacheParameters,
  numbers: Numbers,
): string {
  const rounded =
    site.kind === 'key' && given.keys === 'channel'
      ? roundChannels(bench, value, given.bits, numbers)
      : roundTokens(bench, value, site, given)
  if (given.sink === 0) return rounded
  const [begin, sink, end, axis] = [[0], [given.sink], [2 ** 31 - 1], [site.tokenAxis]].map((each) =>
    bench.integers(each),
  )
  const first = bench.op('Slice', [value, begin ?? '', sink ?? '', axis ?? ''])
  const rest = bench.op('Slice', [rounded, sink ?? '', end ?? '', axis ?? ''])
  return bench.op('Concat', [first, rest], { axis: int(site.tokenAxis) })
}

function roundTokens(bench: Bench, value: string, site: CacheSite, { bits, groupSize }: CacheParameters): string {
  const over = (x: string, axis: number): string => {
    const lo = bench.reduce('ReduceMin', x, [axis])
    const hi = bench.reduce('ReduceMax', x, [axis])
    return roundBetween(bench, x, lo, hi, bits)
  }
  if (groupSize === 0) return over(value, site.featureAxis)
  // Heads keep their axes: a group that does not divide a head fails instead of reaching into the next.
  const groups = bench.op('Reshape', [value, bench.integers([0, 0, 0, -1, groupSize])])
  return bench.op('Reshape', [over(groups, -1), bench.op('Shape', [value])])
}

/** round((x - lo) / s) s + lo; a range of nothing gives lo. */
function roundBetween(bench: Bench, x: string, lo: string, hi: string, bits: number, clips = false): string {
  const levels = bench.scalar(2 ** bits - 1)
  const step = bench.op('Max', [bench.op('Div', [bench.op('Sub', [hi, lo]), levels]), bench.scalar(tiny)])
  const whole = bench.op('Round', [bench.op('Div', [bench.op('Sub', [x, lo]), step])])
  const codes = clips ? bench.op('Clip', [whole, bench.scalar(0), levels]) : whole
  return bench.op('Add', [bench.op('Mul', [codes, step]), lo])
}

function roundChannels(bench: Bench, value: string, bits: number, numbers: Numbers): string {
  const shape = Array.from(numbers('shape') ?? [])
  const lo = bench.floats(numbers('lo') ?? [-1], shape)
  const hi = bench.floats(numbers('hi') ?? [1], shape)
  return roundBetween(bench, value, lo, hi, bits, true)
}

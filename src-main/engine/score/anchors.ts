// Which options of a layer are measured by running the network, so that the others can be told from their output error: for
// each kind of option a few that span its range. Loss against output error is close to a straight line of slope 1 in
// logarithms, so its ends and its middle tell the rest.
import { compressorOf } from '../quantize/compressors.ts'
import type { MethodFamily } from '../../../src-preload/contract/methods.ts'

export interface Candidate {
  id: string
  method: string
  error: number // output error, or weight error where the inputs are not known: relative, > 0
}

/** How many of each kind. Roundings are what most options are; they span the widest range. */
const wanted: Partial<Record<MethodFamily, number>> = { quantize: 3 }
const usual = 2
const near = 0.5 // of ln(error): a measured option this close serves as well

/** Kinds of options whose loss follows the same line: roundings of all sorts alike, other methods each for itself. */
export const kindOf = (method: string): string => {
  const family = compressorOf(method)?.family ?? 'quantize'
  return family === 'quantize' ? family : method
}

/** Ids to measure, of those that are not `known` by measurement already. */
export function anchorsOf(candidates: readonly Candidate[], known: readonly Candidate[]): Set<string> {
  const chosen = new Set<string>()
  for (const kind of new Set(candidates.map(({ method }) => kindOf(method)))) {
    const own = candidates.filter(({ method, error }) => kindOf(method) === kind && error > 0)
    const there = known.filter(({ method, error }) => kindOf(method) === kind && error > 0)
    const sorted = [...own, ...there].sort((a, b) => a.error - b.error)
    const family = kind === 'quantize' ? 'quantize' : undefined
    const count = Math.min(sorted.length, (family && wanted[family]) ?? usual)
    const [low, high] = [Math.log(sorted[0]?.error ?? 1), Math.log(sorted.at(-1)?.error ?? 1)]
    const have = there.map(({ error }) => Math.log(error))
    for (let i = 0; i < count; i++) {
      const at = count === 1 ? (low + high) / 2 : low + ((high - low) * i) / (count - 1)
      if (have.some((error) => Math.abs(error - at) <= near)) continue
      const best = own
        .filter(({ id }) => !chosen.has(id))
        .sort((a, b) => Math.abs(Math.log(a.error) - at) - Math.abs(Math.log(b.error) - at))[0]
      if (!best) continue
      chosen.add(best.id)
      have.push(Math.log(best.error))
    }
  }
  return chosen
}

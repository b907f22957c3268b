// Networks whose graph rounds more than its weights (family 'activate'): which formats can hold that.
import type { Network, Rounding } from '../checkpoint/network.ts'

/** Why a format cannot hold one of the roundings, in words; null where it can. */
export type HoldsRounding = (rounding: Rounding, network: Network) => string | null

/** Formats that write the graph as it is hold any. */
export const holdsAnyRounding: HoldsRounding = () => null

const plainly = {
  activations: 'activations',
  attention: 'the products of attention',
  cache: 'keys and values',
} as const

/** Why the network's roundings rule the format out, and what to do; null where it has none, or the format holds them all. */
export function refusesRounding(
  { title, holdsRounding }: { title: string; holdsRounding?: HoldsRounding | undefined },
  network: Network,
): string | null {
  for (const rounding of network.rounding ?? []) {
    const reason = holdsRounding ? holdsRounding(rounding, network) : `a ${title} file holds weights alone`
    if (reason === null) continue
    return (
      `its recipe rounds ${plainly[rounding.what]} (${rounding.title}), and ${reason}. ` +
      'Export it as ONNX, or leave that method out of the recipe'
    )
  }
  return null
}

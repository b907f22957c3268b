import type { Estimate, LayerFacts, Means, OptionFacts } from './define.ts'
import { outputError } from './output-error.ts'
import { swapped } from './swapped.ts'
import { weightError } from './weight-error.ts'

/** Ever better means, the best last. Beside them pairs.ts adds what layers do to each other. */
export const means: readonly Means[] = [weightError, outputError, swapped]

/** The best that can be told of an option, and by which means; null where nothing is known of it. */
export function createChain(
  layers: readonly LayerFacts[],
  known: readonly Means[] = means,
): (layer: LayerFacts, option: OptionFacts) => (Estimate & { means: string }) | null {
  const fitted = known.map((each) => ({ id: each.id, tell: each.fit(layers) })).reverse()
  return (layer, option) => {
    for (const { id, tell } of fitted) {
      const estimate = tell(layer, option)
      if (estimate !== null) return { ...estimate, means: id }
    }
    return null
  }
}

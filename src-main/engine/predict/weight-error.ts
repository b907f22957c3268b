// Data-free: the relative squared error of the weights, counted by the layer's share of them.
//   loss = c * share * ||W - Q||^2 / ||W||^2,  c = geometric mean of measured / predicted; 1 while nothing was measured
// Counted once per layer instead of by share, large layers get the fewest bits (on a small Llama at 4 bits that gave 0.21
// nats where one width for all gave 0.15).
import type { LayerFacts, Means } from './define.ts'

/** What ln(loss) may be off by before anything was measured: a factor of 100 either way. */
const unscaled = Math.log(100) / 1.96
const least = Math.log(1.5)

export const weightError: Means = {
  id: 'weight-error',
  title: 'Weight error',
  cite: 'HAWQ (Dong et al. 2019) without its curvature: every layer alike',
  formula: 'c · share · ‖W − Q‖² / ‖W‖²',
  fit(layers) {
    const logs = layers.flatMap((layer) => ratiosOf(layer))
    const mean = logs.length === 0 ? 0 : logs.reduce((sum, value) => sum + value, 0) / logs.length
    const squares = logs.reduce((sum, value) => sum + (value - mean) ** 2, 0)
    const deviation = logs.length < 4 ? unscaled : Math.max(least, Math.sqrt(squares / (logs.length - 1)))
    return ({ share }, { error }) =>
      error === null || !(error >= 0)
        ? null
        : { loss: Math.exp(mean) * share * error, standardError: 0, deviation: error === 0 ? 0 : deviation }
  },
}

const ratiosOf = ({ share, options }: LayerFacts): number[] =>
  options.flatMap(({ error, measured }) =>
    error !== null && measured && measured.loss > 0 && error * share > 0
      ? [Math.log(measured.loss / (share * error))]
      : [],
  )

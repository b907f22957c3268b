/** What is known of one option of one layer. */
export interface OptionFacts {
  id: string
  kind: string // options of one kind follow the same line: 'quantize', or the id of a sparsifier or factorizer
  error: number | null // ||W - Q||^2 / ||W||^2
  outputError: number | null // tr(D H D^T) / tr(W H W^T), D = W - Q, H of the calibration inputs
  measured: { loss: number; standardError: number } | null // nats, with the option swapped in alone
}

export interface LayerFacts {
  name: string
  share: number // of the network's weights
  options: readonly OptionFacts[]
}

/** An expected loss, nats of KL divergence per prediction, of the option alone. */
export interface Estimate {
  loss: number
  standardError: number // of the samples behind it
  deviation: number // of ln(loss): what the means itself may be off by
}

/** One way to tell what an option costs; better ones need more. One file each; `means` in chain.ts lists them, best last. */
export interface Means {
  id: string
  title: string
  cite: string
  formula: string
  /** Learns from everything that was measured. The result is null where this means can tell nothing. */
  fit(layers: readonly LayerFacts[]): (layer: LayerFacts, option: OptionFacts) => Estimate | null
}

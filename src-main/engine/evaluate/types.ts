/** What one candidate output says about each predicted row (token or image), against the original's output. */
export interface RowStatistics {
  rows: number
  kl: Float64Array // KL(original || candidate) in nats, per row
  nll: Float64Array | null // candidate's -log p(target); null without targets
  referenceNll: Float64Array | null
  agree: Uint8Array // 1 where both have the same most likely class
  rank: Int32Array | null // how many classes the candidate puts above the target (0 = top-1), null without targets
  referenceRank: Int32Array | null
}

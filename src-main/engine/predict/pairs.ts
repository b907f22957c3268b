// What layers do to each other: the loss of several options together, from the losses of each alone.
//   L(S) = sum_i L_i + sum_{i<j} 2 rho_ij sqrt(L_i L_j),  rho_ij = (L_ij - L_i - L_j) / (2 sqrt(L_i L_j)) at a reference option
// (SYSTEMS.md A7.) Were the divergence a quadratic form of the layers' errors, rho would be the cosine of the angle between
// what the two do to the answers.

/** Of layers by index; each pair once. */
export interface Pair {
  a: number
  b: number
  rho: number
}

/** At most what parallel errors give, at least what opposed ones do; a noisy measurement beyond that is cut. */
export function rhoOf(together: number, a: number, b: number): number {
  const scale = 2 * Math.sqrt(a * b)
  if (!(scale > 0) || !Number.isFinite(together)) return 0
  return Math.min(1, Math.max(-1, (together - a - b) / scale))
}

/** Never below a tenth of the plain sum: many negative terms, each a little wrong, must not make a loss vanish. */
export function pairwiseLoss(losses: ArrayLike<number>, pairs: readonly Pair[]): number {
  let sum = 0
  for (let i = 0; i < losses.length; i++) sum += losses[i] ?? 0
  let cross = 0
  for (const { a, b, rho } of pairs) cross += 2 * rho * Math.sqrt(Math.max(0, (losses[a] ?? 0) * (losses[b] ?? 0)))
  return Math.max(sum + cross, 0.1 * sum)
}

/** Attention that each of the real tokens receives from the real queries, summed over heads: [keys]. */
export function concentrationReference(
  probabilities: ArrayLike<number>, // [heads, queries, keys] of one sample
  heads: number,
  length: number, // queries, and keys
  real: (token: number) => boolean,
): number[] {
  return Array.from({ length }, (_, key) => {
    let sum = 0
    for (let head = 0; head < heads; head++)
      for (let query = 0; query < length; query++)
        if (real(query)) sum += probabilities[(head * length + query) * length + key] ?? 0
    return sum
  })
}

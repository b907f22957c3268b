/** Plain loops for products.ts: what each input i adds to each output j is terms[i][j]; relevance[j] goes to the inputs in
 *  proportion to what they add in the direction of the sum's sign. Where nothing is added, `covered[j]` inputs share alike. */
export function shareReference(terms: readonly (readonly number[])[], relevance: readonly number[]): number[] {
  const shares = terms.map(() => 0)
  relevance.forEach((whole, j) => {
    const column = terms.map((row) => row[j] ?? 0)
    const sum = column.reduce((total, term) => total + term, 0)
    // Without a direction all count, by magnitude.
    const agreeing = column.map((term) => (sum === 0 ? Math.abs(term) : term * sum > 0 ? Math.abs(term) : 0))
    const all = agreeing.reduce((total, term) => total + term, 0)
    agreeing.forEach((term, i) => {
      shares[i] = (shares[i] ?? 0) + whole * (all === 0 ? 1 / terms.length : term / all)
    })
  })
  return shares
}

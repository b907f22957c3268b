/** Mean absolute Pearson correlation of each row with the other rows, and its variance, straight from the formulas. */
export function channelsReference(rows: readonly number[][]) {
  const mean = (x: readonly number[]) => x.reduce((sum, value) => sum + value, 0) / x.length
  const cov = (x: readonly number[], y: readonly number[]) =>
    mean(x.map((value, i) => (value - mean(x)) * ((y[i] ?? 0) - mean(y))))
  const corr = (x: readonly number[], y: readonly number[]) => cov(x, y) / Math.sqrt(cov(x, x) * cov(y, y))
  return rows.map((row) => ({
    variance: cov(row, row),
    correlation: mean(rows.filter((other) => other !== row).map((other) => Math.abs(corr(row, other)))),
  }))
}

/** Signal and noise as NoiseFiT's text has them, by drawing: mean |h| and mean |h' - h| over many noisy copies. */
export function signalAndNoiseReference(
  rows: readonly number[][],
  { noise, beta, draws }: { noise: number; beta: number; draws: number },
  normal: () => number,
) {
  const mean = (x: readonly number[]) => x.reduce((sum, value) => sum + value, 0) / x.length
  const variance = (x: readonly number[]) => mean(x.map((value) => (value - mean(x)) ** 2))
  const median = (x: readonly number[]) => {
    const sorted = [...x].sort((a, b) => a - b)
    return ((sorted[Math.floor((x.length - 1) / 2)] ?? 0) + (sorted[Math.floor(x.length / 2)] ?? 0)) / 2
  }
  const overall = Math.sqrt(variance(rows.flat()))
  const meanVariance = mean(rows.map(variance))
  const noises: number[] = []
  for (const row of rows) {
    const middle = median(row)
    const mad = median(row.map((x) => Math.abs(x - middle)))
    const factor = Math.min(5, Math.exp(variance(row) / meanVariance))
    for (const x of row) {
      const scale = noise * overall * mad * Math.exp((-beta * Math.abs(x - middle)) / mad) * factor
      for (let draw = 0; draw < draws; draw++) noises.push(Math.abs(scale * normal()))
    }
  }
  return { signal: mean(rows.flat().map(Math.abs)), noise: mean(noises) }
}

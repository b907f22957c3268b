/** Levels with the least sum of squared differences to `values`: Lloyd's method (Lloyd 1982, "Least squares quantization in
 *  PCM", section VIII) from equal shares of the sorted values on. Ascending. Values of exactly 0 keep a level of 0, so that
 *  what is 0 stays 0. Fewer distinct values than levels leave levels equal.
 *  Cost O(n log n + rounds n), on a sample. */
export function lloydLevels(values: Float32Array, count: number, rounds = 40): Float32Array {
  const sorted = values.toSorted()
  const zeros = count > 1 && sorted[0] === 0
  const used = zeros ? sorted.subarray(sorted.findLastIndex((value) => value === 0) + 1) : sorted
  const free = zeros ? count - 1 : count
  let levels = Float64Array.from({ length: free }, (_, i) => used[Math.floor(((i + 0.5) / free) * used.length)] ?? 1)
  for (let round = 0; round < rounds; round++) {
    const [sums, masses] = [new Float64Array(free), new Float64Array(free)]
    let k = 0
    for (const value of used) {
      while (k < free - 1 && Math.abs((levels[k + 1] ?? 0) - value) < Math.abs((levels[k] ?? 0) - value)) k++
      sums[k] = (sums[k] ?? 0) + value
      masses[k] = (masses[k] ?? 0) + 1
    }
    levels = levels.map((level, i) => (masses[i] ? (sums[i] ?? 0) / (masses[i] ?? 1) : level))
  }
  return Float32Array.from(zeros ? [0, ...levels] : levels)
}

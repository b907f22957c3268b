// Axis ticks chosen here rather than by the chart library: its logarithmic axis only knows powers of its base.

/** At most `count` round numbers (1, 2, 2.5, 5 x 10^k) over [low, high]. */
export function linearTicks(low: number, high: number, count = 6): number[] {
  if (!(high > low)) return [low]
  const rough = (high - low) / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough * (1 - 1e-9)) ?? 10 * power
  const ticks: number[] = []
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++)
    ticks.push(Number((i * step).toPrecision(12)))
  return ticks
}

/** `write`, with as many digits as it takes to tell the ticks of an axis apart. */
export function tickWriter(ticks: readonly number[], write: (value: number) => string): (value: number) => string {
  const differ = (words: (value: number) => string): boolean => new Set(ticks.map(words)).size === ticks.length
  if (differ(write)) return write
  for (let digits = 4; digits < 12; digits++) {
    const words = (value: number): string => String(Number(value.toPrecision(digits))).replace('-', '−')
    if (differ(words)) return words
  }
  return write
}

/** Round numbers over [low, high] for a logarithmic axis: decades where there are several, else 1-2-5, else finer, else evenly spaced. */
export function logTicks(low: number, high: number): number[] {
  if (!(low > 0) || !(high > low)) return [low]
  if (high / low < 2.5) return linearTicks(low, high, 5)
  const first = Math.floor(Math.log10(low))
  const last = Math.ceil(Math.log10(high))
  const steps =
    last - first > 5 ? [1] : high / low > 30 ? [1, 3] : high / low > 6 ? [1, 2, 3, 5] : [1, 1.5, 2, 3, 4, 5, 7]
  const ticks: number[] = []
  for (let power = first; power <= last; power++)
    for (const step of steps) {
      const tick = Number((step * 10 ** power).toPrecision(6))
      if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) ticks.push(tick)
    }
  return ticks
}

/** Lowest and highest with some air, on a logarithmic scale; null without a positive number. */
export function logExtent(values: Iterable<number>, air = 1.15): [number, number] | null {
  let low = Infinity
  let high = 0
  for (const value of values)
    if (value > 0 && Number.isFinite(value)) {
      low = Math.min(low, value)
      high = Math.max(high, value)
    }
  return high > 0 ? [low / air, high * air] : null
}

export function linearExtent(values: Iterable<number>, air = 0.06): [number, number] | null {
  let low = Infinity
  let high = -Infinity
  for (const value of values)
    if (Number.isFinite(value)) {
      low = Math.min(low, value)
      high = Math.max(high, value)
    }
  if (low > high) return null
  const pad = (high - low || Math.abs(high) || 1) * air
  return [low - pad, high + pad]
}

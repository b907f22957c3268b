/** What one unit is expected to cost. Units of one kind are comparable: twice the weight, twice the time. */
export interface UnitCost {
  kind: string
  weight: number // parameters, or parameters x samples
}

export interface ProgressSnapshot {
  unitsDone: number
  unitsTotal: number
  progress: number // 0..1, never smaller than before
  elapsedMs: number
  remainingMs: number | null // null until a unit of this job was timed
}

/** How far a job is and how long it will still take, from the durations of its own finished units. No timers: `now` is a
 *  monotonic clock in milliseconds. */
export interface Progress {
  /** Finished by an earlier attempt: counts as done, teaches nothing about speed. */
  skip(index: number): void
  start(index: number): void
  /** Fraction of the running unit. */
  update(fraction: number): void
  finish(index: number): void
  snapshot(): ProgressSnapshot
}

interface Timed {
  weight: number
  ms: number
}

/** Share of the weight at either end of the paces that is left out. */
const TRIMMED = 0.1

/** Milliseconds per weight without the fastest and the slowest tenth of the weight: what a first, light unit takes to begin is
 *  not what heavy ones after it take. */
function paceOf(timed: readonly Timed[]): number | null {
  const whole = sum(timed.map(({ weight }) => weight))
  const [low, high] = [TRIMMED * whole, (1 - TRIMMED) * whole]
  let [at, ms] = [0, 0]
  for (const each of [...timed].sort((a, b) => a.ms * b.weight - b.ms * a.weight)) {
    const inside = Math.min(high, at + each.weight) - Math.max(low, at)
    if (inside > 0) ms += (each.ms / each.weight) * inside
    at += each.weight
  }
  return whole > 0 ? ms / (high - low) : null
}

export function createProgress(
  units: readonly UnitCost[],
  options: { now: () => number; elapsedMs?: number; progress?: number },
): Progress {
  const { now } = options
  const startedAt = now()
  const done = new Set<number>()
  const timed = new Map<string, Timed[]>() // per kind
  const totalWeight = sum(units.map(weightOf))
  let running: { index: number; startedAt: number; fraction: number } | null = null
  let highest = options.progress ?? 0

  /** Milliseconds per weight of a kind: measured, with the running unit's own pace where it says more. */
  const pace = (kind: string): number | null => {
    const unit = running ? units[running.index] : undefined
    const partly =
      running && unit?.kind === kind && running.fraction > 0.02
        ? [{ weight: weightOf(unit) * running.fraction, ms: now() - running.startedAt }]
        : []
    return paceOf([...(timed.get(kind) ?? []), ...partly])
  }

  const remaining = (): number | null => {
    const paces = new Map<string, number>()
    let ms = 0
    for (const [index, unit] of units.entries()) {
      if (done.has(index) || unit.weight === 0) continue // mere bookkeeping
      const perWeight = paces.get(unit.kind) ?? pace(unit.kind)
      if (perWeight === null) return null
      paces.set(unit.kind, perWeight)
      const left = index === running?.index ? 1 - running.fraction : 1
      ms += perWeight * weightOf(unit) * left
    }
    return Math.round(ms)
  }

  return {
    skip: (index) => void done.add(index),
    start: (index) => {
      running = { index, startedAt: now(), fraction: 0 }
    },
    update: (fraction) => {
      if (running && Number.isFinite(fraction))
        running.fraction = Math.max(running.fraction, Math.min(1, Math.max(0, fraction)))
    },
    finish: (index) => {
      const unit = units[index]
      if (running?.index === index && unit) {
        const known = timed.get(unit.kind) ?? []
        timed.set(unit.kind, [...known, { weight: weightOf(unit), ms: now() - running.startedAt }])
      }
      running = null
      done.add(index)
    },
    snapshot: () => {
      let weight = sum([...done].map((index) => weightOf(units[index])))
      if (running) weight += weightOf(units[running.index]) * running.fraction
      highest = Math.max(highest, totalWeight === 0 ? 0 : Math.min(1, weight / totalWeight))
      return {
        unitsDone: done.size,
        unitsTotal: units.length,
        progress: done.size === units.length && units.length > 0 ? 1 : highest,
        elapsedMs: (options.elapsedMs ?? 0) + now() - startedAt,
        remainingMs: remaining(),
      }
    },
  }
}

/** A unit without weight still takes its turn. */
const weightOf = (unit: UnitCost | undefined): number => Math.max(1, unit?.weight ?? 0)
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

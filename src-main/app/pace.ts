import { z } from 'zod'
import type { UnitCost } from '../jobs/progress.ts'
import { readProbe, saveProbe } from '../store/probes.ts'
import { type OpenProject, subjectOf } from './projects.ts'

/** How long units of one kind took on this machine, for a checkpoint. */
const paceSchema = z.object({
  units: z.number().int(),
  weight: z.number(),
  ms: z.number(),
  /** Sum and sum of squares of ln(ms / weight), one term a unit. */
  logs: z.number(),
  logSquares: z.number(),
})
type Timings = z.infer<typeof paceSchema>

export interface Pace {
  msPerWeight: number
  /** Standard deviation of ln(milliseconds a weight) from unit to unit. */
  deviation: number
  units: number // that it was learnt from; 0: a guess
}

/** Guesses of the right order of magnitude, to begin with: the first units of a project replace them. */
const guesses: Record<string, number> = {
  compress: 2.5e-4, // a weight
  piece: 1200, // a billion multiplications
  sensitivity: 2e-6, // a weight run, times samples
  evaluate: 6e-6, // a weight, times samples
  'evaluate-original': 4e-6,
  importance: 4e-6,
  prepare: 6e-6,
  score: 1e-4,
  depth: 2e-6,
  pairs: 2e-6,
  latency: 30, // a session
}
const ofGuesses = 1.2 // deviation of ln: a factor of ten either way
const unknownRate = 1e-4
const leastDeviation = 0.1

const placeOf = (checkpoint: string, kind: string) => ({ checkpoint, data: '', kind: 'pace', key: kind, version: 1 })

/** Remembers what a finished unit took. Units without weight teach nothing. */
export function notePace(project: OpenProject, { kind, weight }: UnitCost, ms: number): void {
  if (!(weight > 0) || !(ms > 0)) return
  const place = placeOf(subjectOf(project).row.checkpoint, kind)
  const before = readProbe(project.store.read, place, paceSchema)
  const log = Math.log(ms / weight)
  const value: Timings = {
    units: (before?.units ?? 0) + 1,
    weight: (before?.weight ?? 0) + weight,
    ms: (before?.ms ?? 0) + ms,
    logs: (before?.logs ?? 0) + log,
    logSquares: (before?.logSquares ?? 0) + log * log,
  }
  saveProbe(project.store.write, { ...place, value })
}

/** What a weight of this kind takes: as measured in this project, else as guessed. */
export function paceOf(project: OpenProject, checkpoint: string, kind: string): Pace {
  const known = readProbe(project.store.read, placeOf(checkpoint, kind), paceSchema)
  if (!known) return { msPerWeight: guesses[kind] ?? unknownRate, deviation: ofGuesses, units: 0 }
  const { units, weight, ms, logs, logSquares } = known
  const variance = Math.max(0, logSquares / units - (logs / units) ** 2)
  // Few units tell little about their spread: a prior of a factor 1.5, worth two units.
  const deviation = Math.sqrt((2 * 0.4 ** 2 + units * variance) / (2 + units))
  return { msPerWeight: ms / weight, deviation: Math.max(leastDeviation, deviation), units }
}

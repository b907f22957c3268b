import { z } from 'zod'
import type { UnitCost } from '../jobs/progress.ts'
import { readProbe, saveProbe } from '../store/probes.ts'
import { type OpenProject, type Subject, subjectOf } from './projects.ts'
import type { MachineRates, NetworkPace } from './rates.ts'

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
  msPerUnit: number // beside its weight
  /** Standard deviation of ln(milliseconds a weight) from unit to unit. */
  deviation: number
  units: number // that it was learnt from; 0: foretold from the speed of the machine and the network
  isGuess: boolean // nothing was measured for it
}

/** What was measured before the first unit. */
export interface Speed {
  rates: MachineRates | null
  network: NetworkPace | null
}

/** Guesses of the right order of magnitude, where not even the machine could be measured. */
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
  running: 1e-3,
}
const ofGuesses = 1.2 // deviation of ln: a factor of ten either way
const ofMeasured = 0.4 // a factor of two either way
const unknownRate = 1e-4
const leastDeviation = 0.1

/** Milliseconds of a unit that has next to nothing to do: an answer of the engine, and what is written down for good. */
const unitMs = 12
/** Of a process of its own, with the runtime. */
const processMs = 900
/** What a kind of unit takes for a sample, in runs of the whole network; the candidate of an evaluation stands beside the
 *  original, whose answers are kept after the first time. */
const passes: Record<string, number> = {
  'evaluate-original': 1,
  evaluate: 1.1,
  sensitivity: 1,
  depth: 1,
  pairs: 1,
  importance: 1.3, // every layer's input is an output, too
  prepare: 2,
}
/** Rounding with everything around it, against rounding alone: reading, searching, the file. */
const ofRounding = 3
/** The speed of this list's guesses: products on two cores of a server. */
const guessedGflops = 60

/** Before anything of that kind was timed, from what the machine and the network take. */
function foretold(kind: string, parameters: number, { rates, network }: Speed): Omit<Pace, 'units'> {
  const known = (msPerWeight: number, msPerUnit = unitMs): Omit<Pace, 'units'> => ({
    ...{ msPerWeight, msPerUnit, deviation: ofMeasured, isGuess: false },
  })
  const runs = passes[kind]
  if (runs !== undefined && network)
    return {
      ...known((runs * network.perSampleMs) / Math.max(1, parameters), unitMs + network.fixedMs),
      deviation: network.isRun ? ofMeasured : 2 * ofMeasured,
    }
  if (kind === 'compress' && rates) return known((ofRounding * 1000) / rates.weightsPerSecond)
  if (kind === 'score' && rates) return known((ofRounding * 1000) / rates.weightsPerSecond)
  if (kind === 'running' && rates)
    return known((ofRounding * 1000) / rates.weightsPerSecond, processMs + 31 * (network?.perSampleMs ?? 0))
  if (kind === 'piece' && rates)
    return { ...known(((guesses.piece ?? 0) * guessedGflops) / rates.gflops), deviation: ofGuesses }
  return {
    ...{ msPerWeight: guesses[kind] ?? unknownRate, msPerUnit: 0, deviation: ofGuesses, isGuess: true },
  }
}

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

/** What a weight of this kind takes: as timed in this project, else as the speed of machine and network foretells. */
export function paceOf(project: OpenProject, subject: Subject, kind: string, speed: Speed): Pace {
  const known = readProbe(project.store.read, placeOf(subject.row.checkpoint, kind), paceSchema)
  if (!known) return { ...foretold(kind, subject.checkpoint.summary.parameters, speed), units: 0 }
  const { units, weight, ms, logs, logSquares } = known
  const variance = Math.max(0, logSquares / units - (logs / units) ** 2)
  // Few units tell little about their spread: a prior of a factor 1.5, worth two units.
  const deviation = Math.sqrt((2 * 0.4 ** 2 + units * variance) / (2 + units))
  return {
    msPerWeight: ms / weight,
    msPerUnit: 0,
    deviation: Math.max(leastDeviation, deviation),
    units,
    isGuess: false,
  }
}

// Runs a target over mutants. Only a Fault may come out, within a time and a memory limit. There is no coverage to guide
// it; instead an input whose outcome is new (another fault message, numbers and names aside) joins the inputs to mutate.
import { createHistogram } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import { Fault } from '../../src-preload/contract/fault.ts'
import { mutate } from './mutate.ts'
import { Random } from './random.ts'
import type { FuzzTarget } from './target.ts'

export const limits = { runMs: 2000, growthBytes: 256 * 2 ** 20 }
const mostInputs = 4096
const mostAccepted = 256

export interface Find {
  target: string
  seed: number
  run: number
  what: string // stack of what was thrown, or which limit was passed
  mutant: Uint8Array
}

export interface FuzzReport {
  target: string
  seed: number
  runs: number
  faults: number // runs that ended in a Fault
  outcomes: number // different ones
  medianMs: number
  p999Ms: number
  longestMs: number
  growthBytes: number // largest of one run
  elapsedMs: number
  finds: Find[]
}

export interface FuzzOptions {
  runs: number
  seed: number
  /** Called before each run, so that a watchdog knows what hangs. */
  before?(run: number, mutant: Uint8Array): void
  /** Stops after so many finds; the same defect is usually found many times. */
  mostFinds?: number
}

const usedBytes = () => {
  const heap = getHeapStatistics()
  return heap.used_heap_size + heap.external_memory
}

/** Numbers and quoted names say nothing about the kind of a fault. */
const kindOf = (message: string) =>
  message
    .slice(0, 400)
    .replace(/"(?:[^"\\]|\\.)*"?|[0-9]+/g, '#')
    .slice(0, 120)

interface Outcome {
  kind: string
  defect: string | null
  ms: number
  growth: number
  fault: boolean
}

/** One run, judged. */
export function attempt(target: FuzzTarget, mutant: Uint8Array): Outcome {
  const before = usedBytes()
  const began = performance.now()
  let kind = 'accepted'
  let defect: string | null = null
  let fault = false
  try {
    kind = target.run(mutant) ?? kind
  } catch (error) {
    fault = error instanceof Fault
    kind = `${fault ? (error as Fault).code : 'defect'} ${error instanceof Error ? error.message : String(error)}`
    // Our own "internal" fault is a defect as much as a TypeError is.
    if (!(error instanceof Fault) || error.code === 'internal')
      defect = error instanceof Error ? (error.stack ?? error.message) : `thrown: ${String(error)}`
  }
  const ms = performance.now() - began
  const growth = usedBytes() - before
  return { kind: kindOf(kind), defect, ms, growth, fault }
}

/** The limit that a run passed, or null. A run that was slow once is tried again: the machine may have been busy. */
function passedLimit(target: FuzzTarget, mutant: Uint8Array, { ms, growth }: Outcome): string | null {
  if (growth > limits.growthBytes) return `memory grew by ${(growth / 2 ** 20).toFixed(0)} MB`
  if (ms <= limits.runMs) return null
  const again = attempt(target, mutant)
  return again.ms > limits.runMs ? `took ${ms.toFixed(0)} ms, then ${again.ms.toFixed(0)} ms` : null
}

export function fuzz(target: FuzzTarget, { runs, seed, before, mostFinds = 1 }: FuzzOptions): FuzzReport {
  const random = new Random(seed)
  const corpus = target.seeds()
  const seeds = corpus.length
  const encoder = new TextEncoder()
  const dictionary = (target.dictionary ?? []).map((word) => (typeof word === 'string' ? encoder.encode(word) : word))
  const seen = new Set<string>()
  // What was accepted lately: half of all mutants come from these, or nearly all would break on what is broken already.
  const accepted: Uint8Array[] = []
  const finds: Find[] = []
  const times = createHistogram({ lowest: 1, highest: 3_600_000_000, figures: 3 }) // microseconds
  const began = performance.now()
  const report = { faults: 0, growthBytes: 0, longestMs: 0 }
  let run = 0
  for (; run < runs && finds.length < mostFinds; run++) {
    // The seeds themselves come first, unchanged.
    const pool = accepted.length > 0 && random.below(2) === 0 ? accepted : corpus
    const source = run < seeds ? corpus[run] : undefined
    let mutant = source?.slice() ?? mutate(random.of(pool), random, { corpus, dictionary })
    if (!source && target.mend && random.below(2) === 0) mutant = target.mend(mutant)
    before?.(run, mutant)
    const outcome = attempt(target, mutant.slice()) // the target may write into what it is given
    times.record(Math.max(1, Math.round(outcome.ms * 1000)))
    if (outcome.fault) report.faults++
    report.longestMs = Math.max(report.longestMs, outcome.ms)
    report.growthBytes = Math.max(report.growthBytes, outcome.growth)
    const what = outcome.defect ?? passedLimit(target, mutant, outcome)
    if (what !== null) finds.push({ target: target.name, seed, run, what, mutant })
    if (!outcome.fault) accepted[accepted.length < mostAccepted ? accepted.length : random.below(mostAccepted)] = mutant
    if (!seen.has(outcome.kind)) {
      seen.add(outcome.kind)
      if (!source && corpus.length < mostInputs) corpus.push(mutant)
    }
  }
  return {
    target: target.name,
    seed,
    runs: run,
    ...report,
    outcomes: seen.size,
    medianMs: times.percentile(50) / 1000,
    p999Ms: times.percentile(99.9) / 1000,
    elapsedMs: performance.now() - began,
    finds,
  }
}

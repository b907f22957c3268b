import { statfsSync } from 'node:fs'
import { freemem } from 'node:os'
import { dirname } from 'node:path'
import { noConstraints, type Recipe } from '../../src-preload/contract/plan.ts'
import type { Preflight, PreflightJob } from '../../src-preload/contract/preflight.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import type { Unit, UnitContext } from '../jobs/work.ts'
import { compressUnits } from './compress-units.ts'
import type { AppContext } from './context.ts'
import { type Candidate, original } from './evaluate-units.ts'
import { bytesInWords, memoryOf, type MemoryParts } from './footprint.ts'
import { paceOf, type Speed } from './pace.ts'
import { planHandlers } from './plan.ts'
import { canEvaluate, checkpointPath, dataReference, type OpenProject, type Subject, subjectOf } from './projects.ts'
import { isSequential } from './layer-steps.ts'
import { variantId } from './run.ts'
import { machineRates, networkPace } from './rates.ts'
import { measureUnits } from './running-unit.ts'
import { sensitivityUnits } from './sensitivity.ts'
import { sourceWords } from './unit-words.ts'

interface Foreseen {
  units: Unit[]
  diskBytes: number
  disk: string // what is written, in words
  folder: string // where
  memory: MemoryParts
  notices: string[]
}

const z95 = 1.96
const withScales = 1.1 // codes of `bits` a weight, with what lies beside them

export const preflightHandlers = (context: AppContext): Pick<Handlers, 'plan.preflight'> => ({
  'plan.preflight': async ({ project: folder, job }) => {
    const project = context.projects.get(folder)
    const subject = subjectOf(project)
    const foreseen = await foresee(context, project, subject, job)
    const rates = await machineRates(context)
    return judge(project, subject, foreseen, { rates, network: await networkPace(context, project, subject, rates) })
  },
})

/** A unit context that only asks: nothing is told, nothing can be cancelled. */
const asking = ({ questions }: AppContext): UnitContext => ({
  engine: questions,
  hooks: {
    progress: () => undefined,
    notify: () => undefined,
    signal: new AbortController().signal,
    retries: 1,
  },
})

async function foresee(
  context: AppContext,
  project: OpenProject,
  subject: Subject,
  job: PreflightJob,
): Promise<Foreseen> {
  const checkpoint = checkpointPath(project, subject)
  const { summary } = subject.checkpoint
  const base = { units: [], diskBytes: 0, disk: 'nothing but figures', folder: project.store.artifacts, notices: [] }
  const data = dataReference(project, subject)
  switch (job.kind) {
    case 'sensitivity': {
      const { units, notices } = await sensitivityUnits(context, project, job)
      return { ...base, units, notices, memory: { sessions: 2, activations: 2, kept: true } }
    }
    case 'score':
      return {
        ...base,
        units: [plainUnit('score', summary.parameters * job.uses.length)],
        memory: { sessions: 1, activations: 2, kept: false },
      }
    case 'evaluate': {
      const units = data
        ? measureUnits(context, project, { subject, checkpoint, data, candidate: original(subject) })
        : []
      return { ...base, units, memory: { sessions: 2, activations: 2, kept: false } }
    }
    case 'export':
      return {
        ...base,
        units: [plainUnit('export', summary.parameters)],
        diskBytes: job.bytes,
        disk: 'the exported file',
        folder: job.path === undefined ? project.folder : dirname(job.path),
        memory: { sessions: 2, activations: 1, kept: false },
      }
    case 'front': {
      const solve = planHandlers(context)['plan.solve']
      const recipes: Recipe[] = []
      for (const budget of job.budgets)
        for (const uniform of job.uniform ? [false, true] : [false]) {
          const args = { project: project.folder, budget, uniform }
          const plan = await solve(
            { ...args, locked: {}, constraints: noConstraints, allocator: null },
            { door: context.door, trusted: true },
          )
          recipes.push(plan.recipe)
        }
      return foreseeRecipes(context, project, subject, recipes, true)
    }
    case 'run':
      return foreseeRecipes(context, project, subject, job.recipes, job.evaluate)
  }
}

async function foreseeRecipes(
  context: AppContext,
  project: OpenProject,
  subject: Subject,
  recipes: readonly Recipe[],
  evaluates: boolean,
): Promise<Foreseen> {
  const checkpoint = checkpointPath(project, subject)
  const data = evaluates && canEvaluate(subject) ? dataReference(project, subject) : null
  const sizes = new Map(subject.checkpoint.summary.layers.map(({ name, parameters }) => [name, parameters]))
  const units = new Map<string, Unit>()
  const notices: string[] = []
  let bytes = 0
  const add = (unit: Unit): void => void (units.has(unit.key) || units.set(unit.key, unit))
  const measure = (candidate: Candidate): void => {
    if (data) for (const unit of measureUnits(context, project, { subject, checkpoint, data, candidate })) add(unit)
  }
  measure(original(subject))
  for (const recipe of recipes) {
    for (const unit of await compressUnits(project, recipe, { subject, checkpoint, run: null, work: asking(context) }))
      add(unit)
    for (const { name, option } of recipe.layers)
      if (option.method !== 'keep') bytes += ((sizes.get(name) ?? 0) * option.bits) / 8
    measure({ variant: { id: variantId(recipe), recipe }, bytes: 0, name: '' })
  }
  const calibrated = recipes.some(isSequential)
  return {
    units: [...units.values()],
    diskBytes: bytes * withScales,
    disk: `the layers of ${recipes.length} variant${recipes.length === 1 ? '' : 's'}`,
    folder: project.store.artifacts,
    memory: {
      sessions: data ? 2 : 0,
      activations: data ? 2 : 1,
      kept: false,
      hessians: calibrated,
      pieces: calibrated,
    },
    notices,
  }
}

const plainUnit = (kind: string, weight: number): Unit => ({
  key: kind,
  kind,
  step: '',
  weight,
  isDone: () => false,
  run: () => Promise.resolve(),
})

async function judge(project: OpenProject, subject: Subject, foreseen: Foreseen, speed: Speed): Promise<Preflight> {
  const memory = memoryOf(subject, foreseen.memory)
  const availableBytes = Math.min(freemem(), process.availableMemory())
  const { bavail, bsize } = statfsSync(foreseen.folder)
  const freeBytes = bavail * bsize
  const fitsMemory = memory.bytes <= availableBytes
  const fitsDisk = foreseen.diskBytes <= freeBytes
  const { done, ...time } = await timeOf(project, subject, foreseen.units, speed)
  return {
    memory: { peakBytes: memory.bytes, availableBytes, fits: fitsMemory, reason: memory.reason },
    disk: {
      bytes: foreseen.diskBytes,
      freeBytes,
      fits: fitsDisk,
      reason: `${foreseen.disk}: ${bytesInWords(foreseen.diskBytes)}, of ${bytesInWords(freeBytes)} free at ${foreseen.folder}`,
    },
    time,
    done,
    fits: fitsMemory && fitsDisk,
    alternatives: alternatives(foreseen, fitsMemory, fitsDisk),
    notices: foreseen.notices,
  }
}

function alternatives({ memory }: Foreseen, fitsMemory: boolean, fitsDisk: boolean): string[] {
  const found: string[] = []
  if (!fitsMemory) {
    found.push('Close other programs: the system swaps or ends Lathe where memory runs out.')
    if (memory.hessians === true) found.push('Choose a quantizer that needs no Hessians (round to nearest, HQQ).')
    if (memory.sessions > 1) found.push('Compress without evaluating, and evaluate on a larger machine.')
    if (memory.kept) found.push('Measure on fewer samples.')
  }
  if (!fitsDisk) found.push('Remove variants that are not needed, or keep the project on a larger disk.')
  return found
}

/** Seconds of the units that are still to be done: each kind at its pace, units alike within a kind. */
async function timeOf(
  project: OpenProject,
  subject: Subject,
  units: readonly Unit[],
  speed: Speed,
): Promise<Preflight['time'] & { done: number }> {
  const open = new Map<string, { weight: number; units: number }>()
  let [all, finished] = [0, 0]
  for (const unit of units) {
    all += unit.weight
    if (await unit.isDone()) {
      finished += unit.weight
      continue
    }
    const kind = open.get(unit.kind) ?? { weight: 0, units: 0 }
    open.set(unit.kind, { weight: kind.weight + unit.weight, units: kind.units + 1 })
  }
  let [ms, variance] = [0, 0]
  const [known, foretold, unknown]: [{ kind: string; units: number }[], string[], string[]] = [[], [], []]
  for (const [kind, { weight, units: count }] of open) {
    const pace = paceOf(project, subject, kind, speed)
    const own = weight * pace.msPerWeight + count * pace.msPerUnit
    ms += own
    // The pace itself is unsure, and beside it every unit by itself.
    variance += (own * pace.deviation) ** 2 * (1 / count + 1 / Math.max(1, pace.units))
    if (pace.units > 0) known.push({ kind, units: pace.units })
    else if (pace.isGuess) unknown.push(kind)
    else foretold.push(kind)
  }
  const spread = ms > 0 ? Math.sqrt(variance) / ms : 0
  return {
    seconds: ms / 1000,
    lowSeconds: (ms / 1000) * Math.exp(-z95 * spread),
    highSeconds: (ms / 1000) * Math.exp(z95 * spread),
    from: sourceWords(known, foretold, unknown),
    done: all > 0 ? finished / all : 0,
  }
}

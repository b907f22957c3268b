import type { Job } from '../../../src-preload/contract/job.ts'
import type { Project } from '../../../src-preload/contract/project.ts'
import type { Plan } from '../../../src-preload/contract/plan.ts'
import { type ProjectStep, steps } from '../../stores/session.ts'
import { baseName, formatBits, formatBytes, formatPercent } from '../../ui/format.ts'
import type { IconName } from '../../ui/icons.ts'

export interface StepState {
  step: ProjectStep
  title: string
  icon: IconName
  state: 'todo' | 'done' | 'busy' | 'failed'
  note: string
  /** Why it cannot be entered; null where it can. */
  closed: string | null
}

interface Seen {
  project: Project | null
  plan: Plan | null
  jobs: Job[]
  running: Job | null
}

const titles: Record<ProjectStep, string> = {
  home: 'Home',
  inspect: 'Inspect',
  data: 'Data',
  plan: 'Plan',
  run: 'Run',
  compare: 'Compare',
  export: 'Export',
}

type Told = Pick<StepState, 'state' | 'note'>
const todo = (note: string): Told => ({ state: 'todo', note })
const done = (note: string): Told => ({ state: 'done', note })
const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`

function told(step: ProjectStep, seen: Seen): Told {
  const { project, plan, running } = seen
  if (step === 'home') return project ? done(project.name) : todo('Open a checkpoint')
  if (!project) return todo('')
  const { data, sensitivity, variants, evaluations, exports, checkpoint } = project
  switch (step) {
    case 'inspect':
      return done(`${count(checkpoint.layers.length, 'layer')}`)
    case 'data':
      if (running?.kind === 'sensitivity')
        return { state: 'busy', note: `Measuring ${formatPercent(running.progress, 0)}` }
      if (!data) return todo(checkpoint.task === 'none' ? 'Not needed' : 'Choose samples')
      return done(sensitivity.measured > 0 ? `${baseName(data.path)}, measured` : baseName(data.path))
    case 'plan':
      return plan
        ? done(`${formatBits(plan.predicted.averageBits)} bits, ${formatBytes(plan.predicted.bytes)}`)
        : todo('Set a budget')
    case 'run': {
      if (running) return { state: 'busy', note: `${formatPercent(running.progress, 0)} done` }
      const last = seen.jobs.at(-1)
      if (last?.state === 'failed') return { state: 'failed', note: 'Last job failed' }
      if (last?.state === 'interrupted') return { state: 'failed', note: 'Can be resumed' }
      return variants.length ? done(count(variants.length, 'variant')) : todo('Nothing run yet')
    }
    case 'compare': {
      const measured = new Set(evaluations.map((one) => one.variant ?? 'original')).size
      return measured ? done(`${measured} measured`) : todo('Nothing measured yet')
    }
    case 'export':
      return exports.length ? done(count(exports.length, 'export')) : todo('No files yet')
  }
}

const icons: Record<ProjectStep, IconName> = {
  home: 'home',
  inspect: 'inspect',
  data: 'data',
  plan: 'plan',
  run: 'run',
  compare: 'compare',
  export: 'export',
}

/** The rail, from what is known: title, state, one line, and why a step is closed. */
export function stepStates(seen: Seen): StepState[] {
  return steps.map((step) => ({
    step,
    title: titles[step],
    icon: icons[step],
    ...told(step, seen),
    closed: step !== 'home' && !seen.project ? 'Open a checkpoint first' : null,
  }))
}

import type { Job } from '../../../src-preload/contract/job.ts'
import type { Project } from '../../../src-preload/contract/project.ts'
import type { LivePlan } from '../../stores/plan.ts'
import { needsProject, type ProjectStep, type Step, steps, type Tool, tools } from '../../stores/session.ts'
import { baseName, formatBits, formatBytes, formatPercent } from '../../ui/format.ts'
import type { IconName } from '../../ui/icons.ts'

export interface StepState<S extends Step = ProjectStep> {
  step: S
  title: string
  icon: IconName
  state: 'todo' | 'done' | 'busy' | 'failed'
  note: string
  /** Why it cannot be entered; null where it can. */
  closed: string | null
}

interface Seen {
  project: Project | null
  plan: LivePlan | null
  jobs: Job[]
  running: Job | null
}

const titles: Record<ProjectStep, string> = {
  home: 'Home',
  inspect: 'Inspect',
  data: 'Data',
  plan: 'Plan',
  run: 'Run',
  compare: 'Front',
  export: 'Export',
}

type Told = Pick<StepState<Step>, 'state' | 'note'>
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

const openFirst = 'Open a checkpoint first'

/** The rail, from what is known: title, state, one line, and why a step is closed. */
export function stepStates(seen: Seen): StepState[] {
  return steps.map((step) => ({
    step,
    title: titles[step],
    icon: icons[step],
    ...told(step, seen),
    closed: needsProject(step) && !seen.project ? openFirst : null,
  }))
}

interface ToolsSeen {
  project: Project | null
  methods: number // how many are known
  converting: Job | null
  trying: Job | null // the shoot-out under way
  scoring: Job | null // the scores under way
}

const toolLooks: Record<Tool, { title: string; icon: IconName }> = {
  scores: { title: 'Scores', icon: 'scores' },
  convert: { title: 'Convert', icon: 'convert' },
  shootout: { title: 'Shoot-out', icon: 'target' },
  methods: { title: 'Methods', icon: 'book' },
}

function toolTold(tool: Tool, seen: ToolsSeen): Told {
  const { converting, trying, scoring, project } = seen
  const busy = (job: Job): Told => ({ state: 'busy', note: `${formatPercent(job.progress, 0)} done` })
  if (tool === 'scores') {
    if (scoring) return busy(scoring)
    const known = project?.scores.length ?? 0
    return known > 0 ? done(`${known} measured`) : todo('Which layers matter')
  }
  if (tool === 'convert') return converting ? busy(converting) : todo('Any format in, any out')
  if (tool === 'methods') return todo(seen.methods ? `${seen.methods} explained` : 'What each one does')
  return trying ? busy(trying) : todo('Quantizers on one layer')
}

/** What stands beside the steps. */
export function toolStates(seen: ToolsSeen): StepState<Tool>[] {
  return tools.map((step) => ({
    step,
    ...toolLooks[step],
    ...toolTold(step, seen),
    closed: needsProject(step) && !seen.project ? openFirst : null,
  }))
}

import type { MethodSummary } from '../../../src-preload/contract/methods.ts'
import { isOffered, type Methods, type MethodUse } from '../../../src-preload/contract/plan.ts'
import type { Project } from '../../../src-preload/contract/project.ts'
import type { LayerOptions } from '../../stores/project.ts'
import { formatCount } from '../../ui/format.ts'

export const mostPreparations = 8

const use = ({ method, parameters = {} }: { method: string; parameters?: MethodUse['parameters'] }): MethodUse => ({
  method,
  parameters,
})
const same = (a: MethodUse, b: MethodUse): boolean => JSON.stringify(a) === JSON.stringify(b)

/** Quantizers a run can use beside rounding to nearest: those that do more than the plain options already offer. */
export const quantizersOf = (methods: readonly MethodSummary[]): MethodSummary[] =>
  methods.filter(({ family, plans }) => family === 'quantize' && plans === true)

/** What can be done before: exact rewritings first, then what rounds activations. */
export const preparationsOf = (methods: readonly MethodSummary[]): MethodSummary[] => [
  ...methods.filter(({ family }) => family === 'prepare'),
  ...methods.filter(({ family }) => family === 'activate'),
]

export const methodOf = (
  methods: readonly MethodSummary[],
  id: string,
  families: readonly MethodSummary['family'][],
): MethodSummary | null => methods.find((method) => method.id === id && families.includes(method.family)) ?? null

/** Another quantizer. What belongs before it comes with it; what came with the old one and was left as it was, goes. */
export function withQuantizer(now: Methods, id: string | null, methods: readonly MethodSummary[]): Methods {
  if (id === (now.quantizer?.method ?? null)) return now
  const broughtBy = (quantizer: string | null): MethodUse[] =>
    quantizer === null ? [] : (methodOf(methods, quantizer, ['quantize'])?.prepare ?? []).map(use)
  const old = broughtBy(now.quantizer?.method ?? null)
  const brought = broughtBy(id)
  const kept = now.prepare.filter((one) => !old.some((each) => same(each, one)))
  const added = brought.filter(({ method }) => !kept.some((one) => one.method === method))
  const prepare = [...added, ...kept].slice(0, mostPreparations)
  return { ...now, quantizer: id === null ? null : use({ method: id }), prepare }
}

export const withQuantizerParameters = (now: Methods, parameters: MethodUse['parameters']): Methods =>
  now.quantizer === null ? now : { ...now, quantizer: { ...now.quantizer, parameters } }

export const withPreparation = (now: Methods, method: string): Methods =>
  now.prepare.length >= mostPreparations ? now : { ...now, prepare: [...now.prepare, use({ method })] }

export const withoutPreparation = (now: Methods, at: number): Methods => ({
  ...now,
  prepare: now.prepare.filter((_, i) => i !== at),
})

export function withPreparationMoved(now: Methods, at: number, by: 1 | -1): Methods {
  const prepare = [...now.prepare]
  const [one] = prepare.splice(at, 1)
  if (one) prepare.splice(Math.max(0, at + by), 0, one)
  return { ...now, prepare }
}

export const withPreparationParameters = (now: Methods, at: number, parameters: MethodUse['parameters']): Methods => ({
  ...now,
  prepare: now.prepare.map((one, i) => (i === at ? { ...one, parameters } : one)),
})

/** Parameters that a plan decides for every layer, so that the form must not ask for them: the width always, the rest of
 *  the grid where the method only chooses codes for a plain option's grid. */
export function plannedParameters({ parameters }: Pick<MethodSummary, 'parameters'>): string[] {
  const text = JSON.stringify(parameters)
  const isTwin = text.includes('"granularity"') || text.includes('"type":{"type"')
  return ['bits', ...(isTwin ? ['granularity', 'groupSize', 'symmetric', 'search', 'type', 'weighted'] : [])]
}

const needWords: Record<MethodSummary['needs'][number], string> = {
  weights: 'weights',
  activations: 'activations',
  hessian: 'second moments of the inputs',
  attention: 'attention',
  gradients: 'gradients',
  labels: 'labels',
}
/** 'weights, second moments of the inputs' */
export const needsOf = ({ needs }: Pick<MethodSummary, 'needs'>): string =>
  needs.map((need) => needWords[need]).join(', ')

export interface ChoiceSummary {
  title: string // 'GPTQ'
  before: string[] // titles of the preparations
  /** What it costs, in a sentence. */
  cost: string
  /** What stands in its way; null where nothing does. */
  trouble: { text: string; step: 'data' | null } | null
}

/** What the choice comes to: its cost in plain words, and whether data and export format allow it. */
export function choiceSummary(
  now: Methods,
  methods: readonly MethodSummary[],
  project: Pick<Project, 'data' | 'checkpoint'> | null,
  options: readonly LayerOptions[] | null,
  formatTitle: string,
): ChoiceSummary {
  const quantizer = now.quantizer && methodOf(methods, now.quantizer.method, ['quantize'])
  const uses = now.prepare.map(({ method }) => methodOf(methods, method, ['prepare', 'activate']) ?? method)
  const before = uses.map((each) => (typeof each === 'string' ? each : each.title))
  const title = quantizer?.title ?? now.quantizer?.method ?? 'Rounding to nearest'
  const wanted = new Set([quantizer, ...uses].flatMap((each) => (each && typeof each !== 'string' ? each.needs : [])))
  wanted.delete('weights')
  return {
    title,
    before,
    cost: costWords(wanted, now, project),
    trouble: troubleOf({ now, title, wanted, project, options, formatTitle }),
  }
}

function costWords(
  wanted: ReadonlySet<string>,
  { samples, quantizer, prepare }: Methods,
  project: Pick<Project, 'data' | 'checkpoint'> | null,
): string {
  if (quantizer === null && prepare.length === 0)
    return 'Seconds. Channels are weighed by importance where data is there to measure it.'
  if (wanted.size === 0) return 'Seconds to minutes. Weights alone are looked at.'
  const most = project?.data?.calibrate
  const count = samples === null ? null : most === undefined ? samples : Math.min(samples, most)
  const what = count === null ? 'Calibration samples run' : `${formatCount(count)} calibration samples run`
  const size = project?.checkpoint.parameters ?? 0
  const long =
    size < 1e7 ? 'a minute or so' : size < 3e8 ? 'minutes' : 'many minutes, hours where it does not fit in memory'
  if (wanted.has('gradients')) return `${what} forth and back through the network: ${long}.`
  if (wanted.has('hessian')) return `${what} through the network block by block, as each is rounded: ${long}.`
  return `${what} through the network once: ${long}.`
}

interface Seen {
  now: Methods
  title: string
  wanted: ReadonlySet<string>
  project: Pick<Project, 'data' | 'checkpoint'> | null
  options: readonly LayerOptions[] | null
  formatTitle: string
}

function troubleOf({ now, title, wanted, project, options, formatTitle }: Seen): ChoiceSummary['trouble'] {
  if (wanted.size > 0 && project?.checkpoint.task === 'none')
    return { text: 'This checkpoint holds tensors only: nothing can flow through it.', step: null }
  if (wanted.size > 0 && project && !project.data)
    return { text: 'It needs calibration data, and this project has none yet.', step: 'data' }
  const { quantizer } = now
  if (quantizer === null || options === null) return null
  return isOffered(quantizer.method, options)
    ? null
    : { text: `${formatTitle} has no place for what ${title} makes: layers stay as plain ones.`, step: null }
}

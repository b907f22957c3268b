import type { CheckpointSummary } from '../../../src-preload/contract/model.ts'
import type { MethodSummary } from '../../../src-preload/contract/methods.ts'

export interface FormatChoice {
  id: string
  title: string
  summary: string
  /** Why it cannot be chosen; null where it can. */
  reason: string | null
}

const sentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`

/** Every export format as a checkpoint sees it: those that fit, its default first, then those that do not, with the reason. */
export function formatChoices(
  methods: readonly MethodSummary[],
  { exports }: Pick<CheckpointSummary, 'exports'>,
): FormatChoice[] {
  return exports.flatMap(({ format, reason }) => {
    const method = methods.find(({ family, id }) => family === 'export' && id === format)
    if (!method) return []
    return [
      { id: format, title: method.title, summary: method.summary, reason: reason === null ? null : sentence(reason) },
    ]
  })
}

/** The same for a plain conversion: formats that only hold planned variants say so. */
export const conversionChoices = (
  methods: readonly MethodSummary[],
  checkpoint: Pick<CheckpointSummary, 'exports'>,
): FormatChoice[] => {
  const converts = new Set(methods.flatMap(({ id, file }) => (file?.converts ? [id] : [])))
  const all = formatChoices(methods, checkpoint).map((choice) =>
    converts.has(choice.id)
      ? choice
      : { ...choice, reason: choice.reason ?? 'Only for variants of a plan: open the checkpoint as a project.' },
  )
  return [...all.filter(({ reason }) => reason === null), ...all.filter(({ reason }) => reason !== null)]
}

export const formatTitle = (methods: readonly MethodSummary[], id: string | null): string =>
  id === null ? 'no format' : (methods.find((method) => method.family === 'export' && method.id === id)?.title ?? id)

import type { MethodSummary, ScoreResult } from '../../../src-preload/contract/methods.ts'
import type { MethodUse } from '../../../src-preload/contract/plan.ts'
import { formatCount, formatDuration } from '../../ui/format.ts'

export interface ScoreChoice {
  id: string
  method: MethodSummary
  parameters: MethodUse['parameters']
  /** Why it cannot be measured; null where it can. */
  closed: string | null
  /** What was measured, in words; null before. */
  told: string | null
  /** Why it was left out the last time; null where it was not. */
  leftOut: string | null
  /** There is nothing more to measure: a result with these parameters is there, or it does not fit this network. */
  isDone: boolean
}

const looks = ({ needs }: MethodSummary): boolean => needs.some((need) => need !== 'weights')

/** 'Measured on 8 samples in 1.2 s, one value for each of 24 heads'. */
export function toldOf({ samples, seconds, per, values }: ScoreResult): string {
  const on = samples > 0 ? `on ${formatCount(samples)} samples` : 'from the weights alone'
  const things = `${formatCount(values.length)} ${per}${values.length === 1 ? '' : 's'}`
  return `Measured ${on} in ${formatDuration(seconds * 1000)}: ${things}`
}

/** What the last job said of a score that does not fit the network: '<title> was left out: <why>', or, alone, '<title>: <why>'. */
function leftOutBy({ title }: MethodSummary, notices: readonly string[]): string | null {
  for (const begin of [`${title} was left out: `, `${title}: `]) {
    const found = notices.find((notice) => notice.startsWith(begin))
    if (found !== undefined) return found.slice(begin.length)
  }
  return null
}

/** Every score of the registry, with what stands in its way. */
export function choicesOf(
  methods: readonly MethodSummary[],
  results: readonly ScoreResult[],
  seen: {
    hasData: boolean
    hasGraph: boolean
    parameters: Readonly<Record<string, MethodUse['parameters']>>
    notices: readonly string[]
  },
): ScoreChoice[] {
  return methods
    .filter(({ family }) => family === 'score')
    .map((method) => {
      const result = results.findLast((one) => one.method === method.id)
      const leftOut = leftOutBy(method, seen.notices)
      const parameters = seen.parameters[method.id] ?? result?.parameters ?? {}
      const isSame = result !== undefined && JSON.stringify(parameters) === JSON.stringify(result.parameters ?? {})
      const wants = method.needs.filter((need) => need !== 'weights').join(', ')
      return {
        id: method.id,
        method,
        parameters,
        leftOut: result ? null : leftOut,
        isDone: isSame || (result === undefined && leftOut !== null),
        closed: !looks(method)
          ? null
          : !seen.hasGraph
            ? 'This checkpoint holds tensors only: there is nothing to run.'
            : seen.hasData
              ? null
              : `It looks at ${wants}: choose data first.`,
        told: result ? toldOf(result) : null,
      }
    })
}

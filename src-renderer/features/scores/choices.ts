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
}

const looks = ({ needs }: MethodSummary): boolean => needs.some((need) => need !== 'weights')

/** 'Measured on 8 samples in 1.2 s, one value for each of 24 heads'. */
export function toldOf({ samples, seconds, per, values }: ScoreResult): string {
  const on = samples > 0 ? `on ${formatCount(samples)} samples` : 'from the weights alone'
  const things = `${formatCount(values.length)} ${per}${values.length === 1 ? '' : 's'}`
  return `Measured ${on} in ${formatDuration(seconds * 1000)}: ${things}`
}

/** Every score of the registry, with what stands in its way. */
export function choicesOf(
  methods: readonly MethodSummary[],
  results: readonly ScoreResult[],
  seen: { hasData: boolean; hasGraph: boolean; parameters: Readonly<Record<string, MethodUse['parameters']>> },
): ScoreChoice[] {
  return methods
    .filter(({ family }) => family === 'score')
    .map((method) => {
      const result = results.findLast((one) => one.method === method.id)
      const wants = method.needs.filter((need) => need !== 'weights').join(', ')
      return {
        id: method.id,
        method,
        parameters: seen.parameters[method.id] ?? result?.parameters ?? {},
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

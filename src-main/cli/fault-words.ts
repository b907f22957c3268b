import type { FaultShape } from '../../src-preload/contract/fault.ts'
import { formatBytes, formatMetric } from './format.ts'

/** For programs: what they say, message and hint say in words. */
const wordless = new Set(['bounds', 'smallestBytes', 'uniform'])

interface Totals {
  bytes: number
  loss: number
  seconds?: number | null
}
const isTotals = (value: unknown): value is Totals =>
  typeof value === 'object' && value !== null && 'bytes' in value && 'loss' in value

/** Plans that come nearest to what was asked, one for each bound that could give way. */
const nearestWords = (nearest: object): string =>
  Object.values(nearest)
    .filter(isTotals)
    .map(({ bytes, loss, seconds }) =>
      [
        formatBytes(bytes),
        `predicted loss ${formatMetric('klDivergence', loss)}`,
        ...(typeof seconds === 'number' && seconds > 0 ? [`${(1000 * seconds).toPrecision(3)} ms a sample`] : []),
      ].join(', '),
    )
    .join('; or ')

const wordsOf = (key: string, value: unknown): string => {
  if (typeof value !== 'object' || value === null) return String(value)
  return key === 'nearest' ? nearestWords(value) : JSON.stringify(value)
}

/** A fault for a person: what and where, the places it names that its words do not, and what to do. */
export function explain({ message, hint = '', data = {} }: FaultShape): string {
  const where = Object.entries(data).flatMap(([key, value]) => {
    if (value === undefined || value === null || wordless.has(key)) return []
    const words = wordsOf(key, value)
    const said = [message, hint].some((text) => text.includes(words.replace(/^(at least|at most|below|above) /, '')))
    return words === '' || said ? [] : [`  ${key}: ${words}`]
  })
  return [`lathe: ${message}`, ...where, ...(hint ? [`  hint: ${hint}`] : [])].join('\n')
}

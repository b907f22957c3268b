import type { FaultShape } from '../../src-preload/contract/fault.ts'
import { formatBytes, formatDuration, formatLoss } from './format.ts'

const titles: Record<string, string> = {
  file: 'File',
  field: 'Field',
  offset: 'Offset',
  tensor: 'Tensor',
  expected: 'Expected',
  found: 'Found',
  budget: 'Asked for',
}

/** Said in words already, or for programs. */
const wordless = new Set(['bounds', 'smallestBytes'])

interface Totals {
  bytes?: number
  loss?: number
  seconds?: number | null
}
/** The plans that come nearest to what was asked, one for each bound that could give way. */
function nearestWords(nearest: object): string {
  const isPlan = (plan: unknown): plan is Totals =>
    typeof plan === 'object' && plan !== null && 'bytes' in plan && 'loss' in plan
  const plans = Object.values(nearest).filter(isPlan)
  return plans
    .map(({ bytes, loss, seconds }) =>
      [
        formatBytes(bytes),
        `predicted loss ${formatLoss(loss)} nats`,
        ...(typeof seconds === 'number' ? [`${formatDuration(seconds * 1000)} a sample`] : []),
      ].join(', '),
    )
    .join('; or ')
}

/** Where a fault happened, as rows to show: the known places first, then whatever else it carries. */
export function faultPlaces(fault: FaultShape): { title: string; text: string }[] {
  const data = fault.data ?? {}
  const said = `${fault.message} ${fault.hint ?? ''}`
  const keys = [...Object.keys(titles), ...Object.keys(data).filter((key) => !(key in titles))]
  return keys.flatMap((key) => {
    const value = data[key]
    if (value === undefined || value === null || (fault.code === 'infeasible' && wordless.has(key))) return []
    if (fault.code === 'infeasible' && key === 'nearest' && typeof value === 'object') {
      const text = nearestWords(value)
      return text === '' ? [] : [{ title: 'Nearest', text }]
    }
    if (fault.code === 'infeasible' && typeof value === 'string' && said.includes(value)) return []
    return [{ title: titles[key] ?? key, text: typeof value === 'object' ? JSON.stringify(value) : String(value) }]
  })
}

const headings: Partial<Record<FaultShape['code'], string>> = {
  'bad-input': 'This file cannot be read',
  unsupported: 'Not supported',
  'not-found': 'Not found',
  forbidden: 'Not allowed',
  'too-large': 'Too large',
  'bad-data': 'The data does not fit',
  conflict: 'In the way',
  disk: 'The disk refused',
  device: 'The device failed',
  engine: 'The engine stopped',
  verification: 'Verification failed',
  infeasible: 'No plan fits',
  cancelled: 'Cancelled',
  internal: 'A defect in Lathe',
}

export const faultHeading = (fault: FaultShape): string => headings[fault.code] ?? 'That did not work'

import type { FaultShape } from '../../src-preload/contract/fault.ts'

const titles: Record<string, string> = {
  file: 'File',
  field: 'Field',
  offset: 'Offset',
  tensor: 'Tensor',
  expected: 'Expected',
  found: 'Found',
}

/** Where a fault happened, as rows to show: the known places first, then whatever else it carries. */
export function faultPlaces(fault: FaultShape): { title: string; text: string }[] {
  const data = fault.data ?? {}
  const keys = [...Object.keys(titles), ...Object.keys(data).filter((key) => !(key in titles))]
  return keys.flatMap((key) => {
    const value = data[key]
    if (value === undefined || value === null) return []
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

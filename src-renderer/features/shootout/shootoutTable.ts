import type { ComputedRef } from 'vue'
import { columnHelper, useSortedTable } from '../../ui/sortedTable.ts'
import type { ShootoutLine } from './lines.ts'

const helper = columnHelper<ShootoutLine>()
const numeric = { sortFn: 'basic', sortDescFirst: false } as const
/** What could not be done stands last when sorted upwards. */
const known = (value: number | null): number => value ?? Number.POSITIVE_INFINITY

const columns = helper.columns([
  helper.accessor((line) => line.method, { id: 'method', header: 'Quantizer', sortFn: 'alphanumeric' }),
  helper.accessor((line) => line.row.option.bits, { id: 'option', header: 'Option', ...numeric }),
  helper.accessor((line) => known(line.row.bitsPerWeight), { id: 'bits', header: 'Bits/weight', ...numeric }),
  helper.accessor((line) => known(line.row.outputError), { id: 'output', header: 'Output error', ...numeric }),
  helper.accessor((line) => known(line.row.weightError), { id: 'weight', header: 'Weight error', ...numeric }),
  helper.accessor((line) => line.row.seconds, { id: 'seconds', header: 'Time', ...numeric }),
])

/** Columns and sorting of the shoot-out's table; least bits first until the person sorts. */
export const useShootoutTable = (rows: ComputedRef<ShootoutLine[]>) =>
  useSortedTable(columns, rows, ({ key }) => key, { id: 'bits', desc: false })

import {
  createColumnHelper,
  createSortedRowModel,
  rowSortingFeature,
  sortFn_alphanumeric,
  sortFn_basic,
  tableFeatures,
  useTable,
} from '@tanstack/vue-table'
import type { ComputedRef } from 'vue'
import type { ShootoutLine } from './lines.ts'

const features = tableFeatures({
  rowSortingFeature,
  sortedRowModel: createSortedRowModel(),
  sortFns: { alphanumeric: sortFn_alphanumeric, basic: sortFn_basic },
})
const helper = createColumnHelper<typeof features, ShootoutLine>()
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
export function useShootoutTable(rows: ComputedRef<ShootoutLine[]>) {
  return useTable({
    features,
    columns,
    data: rows,
    getRowId: (line: ShootoutLine) => line.key,
    initialState: { sorting: [{ id: 'bits', desc: false }] },
  })
}

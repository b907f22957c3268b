import {
  type ColumnDef,
  createColumnHelper,
  createSortedRowModel,
  rowSortingFeature,
  sortFn_alphanumeric,
  sortFn_basic,
  tableFeatures,
  useTable,
} from '@tanstack/vue-table'
import { computed, type ComputedRef } from 'vue'

const features = tableFeatures({
  rowSortingFeature,
  sortedRowModel: createSortedRowModel(),
  sortFns: { alphanumeric: sortFn_alphanumeric, basic: sortFn_basic },
})

export const columnHelper = <R extends object>() => createColumnHelper<typeof features, R>()

export interface ColumnHead {
  id: string
  title: string
  sorted: 'asc' | 'desc' | false
  /** Sorts by it, the other way round, or not at all; null where the column has no order. */
  toggle: (() => void) | null
}

/** Rows sorted by their columns, and the heads to sort by; without a sort, rows keep the order they came in. */
export function useSortedTable<R extends object>(
  columns: ColumnDef<typeof features, R>[],
  rows: ComputedRef<R[]>,
  getRowId: (row: R) => string,
  first?: { id: string; desc: boolean },
) {
  const initialState = { sorting: first ? [first] : [] }
  const table = useTable({ features, columns, data: rows, getRowId, initialState })
  const heads = computed((): ColumnHead[] =>
    (table.getHeaderGroups()[0]?.headers ?? []).map(({ id, column }) => ({
      id,
      title: String(column.columnDef.header ?? ''),
      sorted: column.getIsSorted(),
      toggle: column.getCanSort() ? () => column.toggleSorting() : null,
    })),
  )
  return { heads, sorted: computed(() => table.getRowModel().rows.map((row) => row.original)) }
}

import type { ComputedRef } from 'vue'
import { columnHelper, useSortedTable } from '../../ui/sortedTable.ts'
import type { LayerRow } from './layerRows.ts'

const helper = columnHelper<LayerRow>()
const numeric = { sortFn: 'basic', sortDescFirst: true } as const

const columns = helper.columns([
  helper.accessor((row) => row.layer.name, { id: 'name', header: 'Layer', sortFn: 'alphanumeric' }),
  helper.accessor((row) => row.layer.role, { id: 'role', header: 'Role', sortFn: 'alphanumeric' }),
  helper.accessor((row) => row.layer.shape.join('x'), { id: 'shape', header: 'Shape', enableSorting: false }),
  helper.accessor((row) => row.layer.stored ?? row.layer.dtype, {
    id: 'dtype',
    header: 'Stored as',
    sortFn: 'alphanumeric',
  }),
  helper.accessor((row) => row.layer.parameters, { id: 'parameters', header: 'Weights', ...numeric }),
  helper.accessor((row) => row.layer.bytes, { id: 'bytes', header: 'Size', ...numeric }),
  helper.accessor((row) => row.score ?? Number.NEGATIVE_INFINITY, { id: 'score', header: 'Importance', ...numeric }),
])

/** Columns and sorting of the layer table; without a sort, rows keep the order of the file. */
export const useLayerTable = (rows: ComputedRef<LayerRow[]>) => useSortedTable(columns, rows, ({ layer }) => layer.name)

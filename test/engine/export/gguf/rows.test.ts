import { expect, test } from 'vitest'
import { type RowOrder, sourceRow } from '../../../../src-main/engine/checkpoint/gguf/architectures/rows.ts'
import { rowsInOrder } from '../../../../src-main/engine/export/gguf/rows.ts'

const orders: (RowOrder | undefined)[] = [undefined, { kind: 'rotary', heads: 3 }, { kind: 'grouped', heads: 2 }]

test.each(orders)('rows come in the order of the file, whatever the size of a piece: %j', (order) => {
  const rows = 24
  const own = Uint8Array.from({ length: rows * 2 }, (_, i) => i) // two bytes a row
  for (const chunk of [1, 7, 16, 1000]) {
    const read = (begin: number, end: number) => own.subarray(begin * 2, end * 2)
    const part = order ? { order, rows } : { order: undefined, rows }
    const got = [...rowsInOrder(part, 2, read, chunk)].flatMap((piece) => [...piece])
    const expected = Array.from({ length: rows }, (_, row) => sourceRow(order, rows, row)).flatMap((row) => [2 * row, 2 * row + 1]) // prettier-ignore
    expect(got).toEqual(expected)
  }
})

import { transformRef } from '../../src-main/engine/kernels/hadamard.ref.ts'
import { type Hadamard, hadamardOf, transform } from '../../src-main/engine/kernels/hadamard.ts'
import { gaussianMatrix } from '../engine/kernels/random.ts'
import { printTable, sideBySide } from './measure.ts'

/** Products with Hadamard matrices, one thread; rates are bytes of float32 weights per second. */
export function benchRotate(): void {
  for (const [rows, cols] of [
    [4096, 4096],
    [1024, 5120], // 20 x 256
    [512, 11008], // 344 x 32
  ] as const) {
    const { data } = gaussianMatrix(rows, cols, 1)
    const along = (size: number) => hadamardOf(size) as Hadamard
    const part = data.slice(0, 8 * cols)
    const bytes = data.length * 4
    const contenders = [
      { name: 'plain twin, rows', bytes: part.length * 4, run: () => transformRef(part, along(cols), 1, false, 1) },
      { name: 'rows', bytes, run: () => transform(data, along(cols), 1, false, 1 / Math.sqrt(cols)) },
      { name: 'columns', bytes, run: () => transform(data, along(rows), cols, false, 1 / Math.sqrt(rows)) },
    ]
    printTable(`Hadamard transform of ${rows} x ${cols}`, sideBySide(contenders, 5))
  }
}

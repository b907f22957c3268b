import { createHessian } from '../../../../src-main/engine/kernels/linear/hessian.ts'
import type { Hessian } from '../../../../src-main/engine/kernels/linear/types.ts'
import { gaussian } from '../../kernels/random.ts'

/** Inputs [rows, size] that are alike in neighbours, some channels much larger, as activations are. */
export async function sampleHessian(size: number, seed: number, rows = 4 * size): Promise<Hessian> {
  const next = gaussian(seed)
  const x = new Float32Array(rows * size)
  for (let r = 0; r < rows; r++) {
    let before = 0
    for (let c = 0; c < size; c++) {
      before = 0.7 * before + next()
      x[r * size + c] = before * (c % 11 === 3 ? 4 : 1)
    }
  }
  const sums = createHessian(size)
  await sums.add(x)
  return sums.finish()
}

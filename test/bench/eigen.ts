// Eigenvalues and eigenvectors of Gram matrices, up to the size of a large layer.
import { gaussian } from '../engine/kernels/random.ts'
import { gramOf, symmetricEigen } from '../../src-main/engine/kernels/linear/eigen.ts'
import { symmetricEigen as jacobi } from '../../src-main/engine/kernels/vectors/eigen.ts'

const sizes = process.env.LATHE_EIGEN_SIZES?.split(',').map(Number) ?? [256, 512, 1024, 2048, 4096]
const MOST_JACOBI = 256 // plain JavaScript

export async function benchEigen(): Promise<void> {
  for (const n of sizes) {
    const next = gaussian(n)
    const { gram } = await gramOf(
      Float32Array.from({ length: n * n }, () => next()),
      n,
      n,
    )
    const timed = (run: () => unknown) => {
      const began = performance.now()
      run()
      return `${Math.round(performance.now() - began)} ms`
    }
    const values = timed(() => symmetricEigen(gram, n, { vectors: false }))
    const vectors = timed(() => symmetricEigen(gram, n))
    const plain = n <= MOST_JACOBI ? `, Jacobi ${timed(() => jacobi(gram, n))}` : ''
    console.log(`eigen ${n} x ${n}: values ${values}, with vectors ${vectors}${plain}`)
  }
}

// A Hessian of few calibration rows tells directions apart that only look different: codes then fit these rows, not the
// inputs to come. Its mean energy added to every input takes that back, as far as rows are scarce:
//   H + min(size / rows, 1) mean(diag H) I
// The shrinkage of sample covariances (Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance
// matrices") with the share read off from the shape alone (assumed; theirs needs the rows). Measured on mobilenet with 100
// images, output error on other images, for GPTQ at 4 and 2 bits: 512 inputs of 100 rows -2.2 dB, 512 of 2,500 rows -0.6 dB,
// 256 of 10,000 rows -0.04 dB. The whole network hardly gains: what earlier layers lost counts for more.
import type { Hessian } from './types.ts'

const MOST = 1
const LEAST = 0.01 // below it nothing is gained

/** The same Hessian where rows are many, else a copy. Inputs that were always 0 stay so. */
export function ridged(hessian: Hessian): Hessian {
  const { size, data, rows } = hessian
  const share = Math.min(MOST, size / Math.max(1, rows))
  if (share < LEAST) return hessian
  let [sum, live] = [0, 0]
  for (let i = 0; i < size; i++) {
    const energy = data[i * (size + 1)] ?? 0
    sum += energy
    live += Number(energy > 0)
  }
  if (!(sum > 0 && sum < Infinity)) return hessian // nothing entered, or a fault that the factorisation names
  const added = (share * sum) / live
  const wide = data.slice()
  for (let i = 0; i < size; i++) {
    const energy = data[i * (size + 1)] ?? 0
    if (energy > 0) wide[i * (size + 1)] = energy + added
  }
  return { size, data: wide, rows }
}

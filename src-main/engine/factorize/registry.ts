import type { Quantizer } from '../quantize/define.ts'
import { asvd } from './asvd.ts'
import { svd } from './svd.ts'
import { welore } from './welore.ts'

/** Every factorizer Lathe knows. Adding one costs a file and a line here. */
export const factorizers: readonly Quantizer[] = [svd, asvd, welore]

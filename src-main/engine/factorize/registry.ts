import type { Quantizer } from '../quantize/define.ts'

/** Every factorizer Lathe knows. Adding one costs a file and a line here. */
export const factorizers: readonly Quantizer[] = []

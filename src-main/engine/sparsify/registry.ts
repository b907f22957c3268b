import type { Quantizer } from '../quantize/define.ts'

/** Every sparsifier Lathe knows. Adding one costs a file and a line here. */
export const sparsifiers: readonly Quantizer[] = []

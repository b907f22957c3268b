import type { Quantizer } from '../quantize/define.ts'
import { magnitude } from './magnitude.ts'
import { sparsegpt } from './sparsegpt.ts'
import { wanda } from './wanda.ts'

/** Every sparsifier Lathe knows. Adding one costs a file and a line here. */
export const sparsifiers: readonly Quantizer[] = [magnitude, wanda, sparsegpt]

import type { Quantizer } from './define.ts'
import { ggml } from './ggml.ts'
import { pvq } from './pvq.ts'
import { rtn } from './rtn.ts'

/** Every quantizer Lathe knows. Adding one costs a file and a line here. */
export const quantizers: readonly Quantizer[] = [rtn, ggml, pvq]

import { awq } from './awq.ts'
import { bitsandbytes } from './bitsandbytes.ts'
import { compressedTensors } from './compressed-tensors.ts'
import type { PackedMethod } from './define.ts'
import { fbgemm, fp8 } from './fp8.ts'
import { gptq } from './gptq.ts'
import { modelopt } from './modelopt.ts'

/** Every way of packing weights that Lathe reads. Adding one costs a file and a line here. */
export const packedMethods: readonly PackedMethod[] = [
  gptq,
  awq,
  compressedTensors,
  fp8,
  fbgemm,
  bitsandbytes,
  modelopt,
]

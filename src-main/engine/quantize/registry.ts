import type { Quantizer } from './define.ts'
import { denseshift } from './denseshift.ts'
import { fp8 } from './fp8.ts'
import { elastic } from './elastic.ts'
import { hqq } from './hqq.ts'
import { luq } from './luq.ts'
import { mxfp4 } from './mxfp4.ts'
import { nf4 } from './nf4.ts'
import { nvfp4 } from './nvfp4.ts'
import { ggml } from './ggml.ts'
import { ggmlLdlq } from './ggml-ldlq.ts'
import { gptq } from './gptq.ts'
import { bipft } from './bipft.ts'
import { lr2vq } from './lr2vq.ts'
import { pvq } from './pvq.ts'
import { rsq } from './rsq.ts'
import { rtn } from './rtn.ts'
import { sidecar } from './sidecar.ts'

/** Every quantizer Lathe knows. Adding one costs a file and a line here. */
export const quantizers: readonly Quantizer[] = [
  rtn,
  gptq,
  rsq,
  ggml,
  ggmlLdlq,
  hqq,
  elastic,
  nf4,
  fp8,
  mxfp4,
  nvfp4,
  denseshift,
  luq,
  pvq,
  lr2vq,
  bipft,
  sidecar,
]

import { fp8 } from '../activate/fp8.ts'
import { intGroup } from '../activate/int-group.ts'
import { kvCache } from '../activate/kv-cache.ts'
import { crossquant } from '../activate/crossquant.ts'
import { intTensor } from '../activate/int-tensor.ts'
import { intToken } from '../activate/int-token.ts'
import { removeBlocks } from '../graph/rewrites/remove-blocks.ts'
import { awq } from './awq.ts'
import { biasCorrection } from './bias-correction.ts'
import { clipChannels } from './clip-channels.ts'
import type { Preparation } from './define.ts'
import { fireqSmooth } from './fireq-smooth.ts'
import { matchOriginal } from './match-original.ts'
import { rotate } from './rotate.ts'
import { smooth } from './smooth.ts'

/** Every rewriting Lathe knows, exact ones and those of activations. Adding one costs a file and a line here. */
export const preparations: readonly Preparation[] = [
  removeBlocks, // first: nothing is measured or changed for blocks that go
  rotate,
  awq,
  smooth,
  fireqSmooth,
  clipChannels,
  // What flows between the layers is rounded behind the exact rewritings.
  intToken,
  crossquant,
  intTensor,
  intGroup,
  fp8,
  kvCache,
  // Last: they look at compressed layers.
  biasCorrection,
  matchOriginal,
]

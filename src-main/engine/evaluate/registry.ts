import { accuracy } from './accuracy.ts'
import type { Evaluator } from './define.ts'
import { kl } from './kl.ts'
import { parity } from './parity.ts'
import { perplexity } from './perplexity.ts'
import { speed } from './speed.ts'

export const evaluators: readonly Evaluator[] = [perplexity, accuracy, kl, parity, speed]

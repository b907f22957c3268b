import { attention } from './attention.ts'
import { difference, norm, similarity } from './activations.ts'
import type { TokenStrategy } from './define.ts'
import { first, firstAndLast } from './first.ts'
import { frequency } from './frequency.ts'

/** Every way to weigh tokens. Adding one costs a file and a line here. */
export const tokenStrategies: readonly TokenStrategy[] = [
  attention,
  first,
  firstAndLast,
  frequency,
  norm,
  difference,
  similarity,
]

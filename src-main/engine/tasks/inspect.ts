import type { Tasks } from '../protocol.ts'
import { summarise } from '../checkpoint/open.ts'
import { cachedNetwork } from './cache.ts'

/** Headers only: what a checkpoint is and which layers it has. */
export const inspect = ({ path }: Tasks['inspect']['args']): Tasks['inspect']['result'] =>
  summarise(cachedNetwork(path))

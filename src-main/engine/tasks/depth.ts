import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Tasks } from '../protocol.ts'

export function depth(args: Tasks['depth']['args']): Tasks['depth']['result'] {
  throw new Fault('unsupported', `Blocks cannot be left out of ${args.checkpoint} yet.`)
}

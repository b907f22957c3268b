import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Tasks } from '../protocol.ts'

export const importance = (_args: Tasks['importance']['args']): Tasks['importance']['result'] => {
  throw new Fault('unsupported', 'importance is not measured yet')
}

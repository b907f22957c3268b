import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Tasks } from '../protocol.ts'

export function pieces(_: Tasks['pieces']['args']): Tasks['pieces']['result'] {
  throw new Fault('unsupported', 'Calibrated runs are not there yet.')
}

export function compressPiece(_: Tasks['compressPiece']['args']): Tasks['compressPiece']['result'] {
  throw new Fault('unsupported', 'Calibrated runs are not there yet.')
}

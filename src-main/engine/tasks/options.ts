import type { Tasks } from '../protocol.ts'
import { cachedNetwork } from './cache.ts'
import { exporterOf } from './export.ts'

/** What can be done to each layer, with the exact bytes it then takes in a file of this format. */
export const options = ({ checkpoint, format, prepared }: Tasks['options']['args']): Tasks['options']['result'] =>
  exporterOf(format).planBytes(cachedNetwork(checkpoint, prepared))

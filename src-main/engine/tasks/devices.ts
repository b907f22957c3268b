import type { Tasks } from '../protocol.ts'
import { listDevices } from '../runtime/devices.ts'

/** Where sessions can run on this machine. */
export const devices = (args: Tasks['devices']['args']): Promise<Tasks['devices']['result']> => listDevices(args)

import type { Tasks } from '../protocol.ts'
import { choiceFor, explainChoice } from '../kernels/linear/device.ts'
import { listDevices } from '../runtime/devices.ts'

/** Where sessions can run on this machine; with `measure` also whether the matrix products of calibrated methods go there. */
export async function devices(args: Tasks['devices']['args']): Promise<Tasks['devices']['result']> {
  const found = await listDevices(args)
  if (args.measure)
    for (const device of found)
      if (device.available && device.id !== 'cpu')
        device.reason = `${device.reason}; ${explainChoice(await choiceFor(device.id))}`
  return found
}

import type { Tasks } from '../protocol.ts'
import { choiceFor, explainChoice } from '../kernels/linear/device.ts'
import { recall } from '../kernels/linear/remembered.ts'
import { listDevices } from '../runtime/devices.ts'

/** Where sessions can run on this machine, and whether the matrix products of calibrated methods go there: as it was measured
 *  last; with `measure` measured now. */
export async function devices(args: Tasks['devices']['args']): Promise<Tasks['devices']['result']> {
  const found = await listDevices(args)
  for (const device of found) {
    if (!device.available || device.id === 'cpu') continue
    const choice = args.measure ? await choiceFor(device.id, { again: true }) : recall(device.id)
    if (choice) device.reason = `${device.reason}; ${explainChoice(choice)}, measured ${choice.at.slice(0, 10)}`
  }
  return found
}

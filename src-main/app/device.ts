import type { Device } from '../../src-preload/contract/project.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import { type AppContext, ask } from './context.ts'

/** A measured speed holds as long as Lathe runs: a window that is loaded anew, maybe beside a job, need not measure again. */
export function deviceHandlers(context: AppContext): Pick<Handlers, 'device.list'> {
  const speeds = new Map<Device['id'], number>()
  return {
    'device.list': async (args) => {
      const devices = await ask(context, 'devices', args)
      for (const { id, gflops } of devices) if (gflops !== null) speeds.set(id, gflops)
      return devices.map((device) => ({
        ...device,
        gflops: device.available ? (device.gflops ?? speeds.get(device.id) ?? null) : null,
      }))
    },
  }
}

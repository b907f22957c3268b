import { cpus, totalmem } from 'node:os'
import { formatBytes, formatTable } from '../format.ts'
import { installCuda } from '../install-cuda.ts'
import { print } from '../output.ts'
import { type CommonOptions, withSession } from '../session.ts'

export const doctor = (options: CommonOptions & { measure: boolean; installCuda?: boolean }): Promise<void> =>
  withSession(options, async ({ client, say }) => {
    if (options.installCuda) await installCuda(say)
    const info = await client.call('app.info', {})
    const devices = await client.call('device.list', { measure: options.measure })
    const rates = await client.call('machine.rates', { measure: options.measure })
    const machine = {
      cores: cpus().length,
      processor: cpus()[0]?.model ?? 'unknown',
      memoryBytes: totalmem(),
      node: process.version,
    }
    print(options, { ...info, machine, devices, rates }, () =>
      [
        `Lathe ${info.version} on ${info.platform}, Node ${machine.node}, ${machine.cores} × ${machine.processor}, ${formatBytes(machine.memoryBytes)} memory`,
        `own files: ${info.home}`,
        rates === null
          ? 'speed of jobs: not measured yet; the first pre-flight does it'
          : `speed of jobs, the best of the last days up to ${rates.at.slice(0, 10)}: ${rates.gflops.toFixed(1)} GFLOP/s in matrix products, ${(rates.weightsPerSecond / 1e6).toFixed(1)} million weights rounded a second, ${rates.openMs.toFixed(0)} ms to open a session`,
        '',
        formatTable(
          ['device', 'usable', 'speed (float32 matrix product)', ''],
          devices.map((device) => [
            device.title,
            device.available ? 'yes' : 'no',
            device.gflops === null ? '–' : `${device.gflops.toFixed(1)} GFLOP/s`,
            device.reason,
          ]),
        ),
      ].join('\n'),
    )
  })

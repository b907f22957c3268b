// What was measured of devices, kept in a file of Lathe's own across engines and days: a start is quicker than a measurement.
// The file is named by LATHE_DEVICE_CHOICES (the app sets it); without it nothing is kept. What was measured with another
// runtime, processor, number of threads or driver choice does not count, nor does a file that cannot be read.
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { z } from 'zod'
import { type DeviceId, deviceSchema } from '../../../../src-preload/contract/project.ts'
import { runtimeVersion } from '../../runtime/ort.ts'
import { defaultThreads } from '../../runtime/session.ts'
import type { DeviceChoice } from './device.ts'

const infinite = z.number().nullable() // JSON has no Infinity: null
const keptSchema = z.object({
  machine: z.string(),
  from: infinite,
  measured: z.array(z.object({ size: z.number(), cpuMs: infinite, deviceMs: infinite })),
  at: z.iso.datetime(),
})
const fileSchema = z.object({ version: z.literal(1), choices: z.partialRecord(deviceSchema.shape.id, keptSchema) })
type Kept = z.infer<typeof fileSchema>

/** What a measurement holds for. */
export const machineWords = (): string =>
  [
    `onnxruntime ${runtimeVersion()}`,
    `${cpus()[0]?.model.trim() ?? 'unknown processor'} x ${defaultThreads()}`,
    process.env.VK_ICD_FILENAMES ?? process.env.VK_DRIVER_FILES ?? '',
  ].join(', ')

const place = (): string | undefined => process.env.LATHE_DEVICE_CHOICES || undefined

function read(path: string): Kept {
  try {
    return fileSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return { version: 1, choices: {} } // none yet, or not ours: measured again and written anew
  }
}

/** null: never measured here. */
export function recall(device: DeviceId): DeviceChoice | null {
  const path = place()
  const kept = path === undefined ? undefined : read(path).choices[device]
  if (!kept || kept.machine !== machineWords()) return null
  const measured = kept.measured.map(({ size, cpuMs, deviceMs }) => {
    return { size, cpuMs: cpuMs ?? Infinity, deviceMs: deviceMs ?? Infinity }
  })
  return { device, from: kept.from ?? Infinity, measured, at: kept.at }
}

/** Never throws: what cannot be kept is measured again next time. */
export function keep({ device, from, measured, at }: DeviceChoice): void {
  const path = place()
  if (path === undefined) return
  const before = read(path)
  const kept = { machine: machineWords(), from, measured, at }
  const partial = `${path}.partial-${process.pid}`
  try {
    writeFileSync(partial, JSON.stringify({ ...before, choices: { ...before.choices, [device]: kept } }, null, 2))
    renameSync(partial, path)
  } catch {
    rmSync(partial, { force: true })
  }
}

import { availableParallelism, cpus } from 'node:os'
import type { Device, DeviceId } from '../../../src-preload/contract/project.ts'
import { deviceTitles } from './fallback.ts'
import { runtime } from './ort.ts'
import { probe } from './probe.ts'

interface Place {
  id: DeviceId
  /** Why it cannot be here at all, or null where it may. */
  missing: (platform: NodeJS.Platform, built: ReadonlySet<string>) => string | null
  good: () => string
  hint: string // added to a failed probe's own reason
}

const only =
  (platform: NodeJS.Platform, name: string, id: string): Place['missing'] =>
  (here, built) => {
    if (here !== platform) return `exists on ${name} only`
    return built.has(id) ? null : `this build of ONNX Runtime has no ${id} part`
  }

const places: Place[] = [
  {
    id: 'cpu',
    missing: () => null,
    good: () => `${cpus()[0]?.model.trim() ?? 'processor'}, ${availableParallelism()} threads`,
    hint: '',
  },
  {
    id: 'webgpu',
    missing: (_, built) => (built.has('webgpu') ? null : 'this build of ONNX Runtime has no WebGPU part'),
    good: () => 'graphics processor through WebGPU',
    hint: 'it needs a graphics driver with Vulkan (on Linux also its loader, libvulkan1), Metal or Direct3D 12',
  },
  {
    id: 'cuda',
    missing: (platform, built) => {
      if (platform === 'darwin') return 'exists on Linux and Windows only'
      return built.has('cuda') ? null : 'this build of ONNX Runtime has no CUDA part'
    },
    good: () => 'NVIDIA graphics processor through CUDA',
    hint: 'it needs an NVIDIA driver and the CUDA parts, which "lathe doctor --install-cuda" fetches',
  },
  { id: 'dml', missing: only('win32', 'Windows', 'dml'), good: () => 'graphics processor through DirectML', hint: '' },
  { id: 'coreml', missing: only('darwin', 'macOS', 'coreml'), good: () => 'Apple processor through CoreML', hint: '' },
]

async function look(place: Place, built: ReadonlySet<string>, measure: boolean): Promise<Device> {
  const device = { id: place.id, title: deviceTitles[place.id] }
  const missing = place.missing(process.platform, built)
  if (missing !== null) return { ...device, available: false, reason: missing, gflops: null }
  const result = await probe(place.id, measure)
  if (result.works) return { ...device, available: true, reason: place.good(), gflops: result.gflops }
  const reason = place.hint === '' ? result.reason : `${result.reason}; ${place.hint}`
  return { ...device, available: false, reason, gflops: null }
}

/** What this machine can run on, why not where not, and with `measure` the speed of a float32 matrix product in GFLOP/s. */
export async function listDevices({ measure }: { measure: boolean }): Promise<Device[]> {
  const built = new Set(
    runtime()
      .listSupportedBackends()
      .map((backend) => backend.name),
  )
  const devices: Device[] = []
  // One after the other: two measurements at once would share the machine and both be wrong.
  for (const place of places) devices.push(await look(place, built, measure))
  return devices
}

// What happens when an execution provider fails: one retry with a fresh session, then the CPU, and the person is told.
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Session, TensorValue } from './types.ts'

/** A session that is open on one device and knows nothing of fallbacks. */
export interface LiveSession {
  readonly inputNames: readonly string[]
  readonly outputNames: readonly string[]
  run(feeds: Record<string, TensorValue>, fetches?: string[]): Promise<Record<string, TensorValue>>
  release(): Promise<void>
}

export const deviceTitles: Record<DeviceId, string> = {
  cpu: 'CPU',
  webgpu: 'WebGPU',
  cuda: 'CUDA',
  dml: 'DirectML',
  coreml: 'CoreML',
}

/** First line of a native error, without its source location. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  const line = text.split('\n').find((part) => part.trim() !== '') ?? 'no reason given'
  return line
    .replace(/^Error: /, '')
    .replace(/^.* was false\. /, '') // a failed check of the runtime's own, quoted in C++
    .replace(/\s*\/\S*\.(cc|cpp|h):\d+\S*/g, '')
    .trim()
    .slice(0, 300)
}

// A call that does not fit the graph fails the same way on every device.
const isOurs = (error: unknown): boolean => error instanceof Fault && error.code !== 'device'

/**
 * Opens a session and keeps it alive: a device that fails at opening or running gets one fresh session; when that fails
 * too, the work moves to the CPU for the rest of this session and `notify` hears why. What the CPU cannot do is thrown.
 */
export async function withFallback(
  open: (device: DeviceId) => Promise<LiveSession>,
  wanted: DeviceId,
  notify: (notice: string) => void,
): Promise<Session> {
  let device = wanted
  let live: LiveSession | null = null

  const drop = async () => {
    const old = live
    live = null
    // A lost device may fail to release as well; what failed already has its reason.
    await old?.release().catch(() => undefined)
  }

  const attempt = async <T>(work: (session: LiveSession) => Promise<T>): Promise<T> => {
    for (let tries = 0; ; tries++) {
      try {
        live ??= await open(device)
        return await work(live)
      } catch (error) {
        if (device === 'cpu' || isOurs(error)) throw error
        await drop()
        if (tries === 0) continue
        notify(`${deviceTitles[device]} failed twice (${reasonOf(error)}); this step runs on the CPU.`)
        device = 'cpu'
      }
    }
  }

  const names = await attempt(async (session) => ({ inputs: session.inputNames, outputs: session.outputNames }))
  return {
    get device() {
      return device
    },
    inputNames: names.inputs,
    outputNames: names.outputs,
    run: (feeds, fetches) => attempt((session) => session.run(feeds, fetches)),
    release: drop,
  }
}

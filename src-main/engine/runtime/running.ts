// What running a model file takes, by a process of its own that opens and runs it as any program would:
//   peak = most resident memory while opening and running  -  resident memory before, the runtime itself being loaded
// Resident memory is what lies in RAM: weights as the file holds them, copies the runtime packs, activations.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { Fault, type FaultShape } from '../../../src-preload/contract/fault.ts'
import type { TensorValue } from './types.ts'

export interface Running {
  openBytes: number // at the peak while the file was opened
  peakBytes: number // the same with the runs on `sample`
  seconds: number[] // of each run on `timed`, after a warm-up
}

type Feeds = Readonly<Record<string, TensorValue>>

export interface Order {
  parent: number // process that waits for the answer; the run ends with it
  path: string
  threads: number
  sample: { name: string; dtype: TensorValue['dtype']; dims: number[]; base64: string }[]
  timed: Order['sample']
  warmUp: number
  leastRuns: number
  mostRuns: number
  mostSeconds: number
}

/** The argument with which the engine's own entry runs a file instead (main.ts), for the bundle. */
export const runningArgument = 'run-file'

const patienceMs = 180_000

const childArguments = (): string[] =>
  import.meta.filename.endsWith('.ts')
    ? [join(import.meta.dirname, 'running-child.ts')]
    : [process.argv[1] ?? '', runningArgument]

const packed = (feeds: Feeds): Order['sample'] =>
  Object.entries(feeds).map(([name, { dtype, dims, data }]) => ({
    ...{ name, dtype, dims },
    base64: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'),
  }))

/** Opens and runs the file at `path` on the CPU. Faults name the file: what it could not do, or how the process ended. */
export async function runFile(
  path: string,
  { sample, timed }: { sample: Feeds; timed: Feeds },
  how: Omit<Order, 'parent' | 'path' | 'sample' | 'timed'>,
): Promise<Running> {
  const order: Order = { ...how, parent: process.pid, path, sample: packed(sample), timed: packed(timed) }
  const broken = (end: string): Fault =>
    new Fault('device', `${path} could not be run in a process of its own: ${end}.`, { data: { file: path } })
  const started = spawn(process.execPath, ['--expose-gc', ...childArguments()], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { ...process.env, ELECTRON_RUN_AS_NODE: '1', NODE_OPTIONS: '' },
    windowsHide: true,
  })
  const timer = setTimeout(() => started.kill('SIGKILL'), patienceMs)
  let output = ''
  started.stdout.on('data', (chunk) => (output += String(chunk)))
  started.stdin.on('error', () => undefined) // it may end before it has read its order; 'close' says how
  started.stdin.end(JSON.stringify(order))
  try {
    const end = await new Promise<string>((resolve, reject) => {
      started.on('error', reject)
      started.on('close', (code, signal) => resolve(signal ? `it was ended by ${signal}` : `it ended with ${code}`))
    })
    const line = output.split('\n').find((text) => text.startsWith('{'))
    if (line === undefined) throw broken(end)
    const answer = JSON.parse(line) as Running | { fault: FaultShape }
    if ('fault' in answer) throw Fault.from(answer.fault)
    return answer
  } catch (error) {
    throw error instanceof Fault ? error : broken((error as Error).message)
  } finally {
    clearTimeout(timer)
  }
}

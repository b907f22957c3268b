// Asks one execution provider, in a process of its own, whether it works: a broken driver may end the process that asks.
import { spawn } from 'node:child_process'
import type * as Runtime from 'onnxruntime-node'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import { float, int, node, type Graph, type Initializer } from '../graph/ir.ts'
import { encodeModel } from '../checkpoint/onnx/encode.ts'
import { reasonOf } from './fallback.ts'
import { runtimePackage } from './ort.ts'

export interface ProbeResult {
  works: boolean
  reason: string // why not; '' when it works
  gflops: number | null
}

const products = 8
const patienceMs = 60_000

const constant = (name: string, dtype: Initializer['dtype'], shape: number[], inline: Uint8Array): Initializer => ({
  name,
  dtype,
  shape,
  data: { inline },
})

/** y = sum(x w w ... w): eight float32 matrix products of any size n, with weights made on the device, so that little but
 *  arithmetic is timed. Input x [n, n]. */
export function speedGraph(): Graph {
  const nodes = [
    node('Shape', ['x'], ['shape']),
    node('ConstantOfShape', ['shape'], ['w'], {
      value: {
        kind: 'tensor',
        value: constant('value', 'float32', [1], new Uint8Array(new Float32Array([0.001]).buffer)),
      },
    }),
    node('LeakyRelu', ['x'], ['y0'], { alpha: float(0.5) }),
    ...Array.from({ length: products }, (_, index) => node('MatMul', [`y${index}`, 'w'], [`y${index + 1}`])),
    node('ReduceMean', [`y${products}`], ['y'], { keepdims: int(0) }),
  ]
  return {
    name: 'speed',
    irVersion: 10,
    opsets: new Map([['', 17]]),
    nodes,
    inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 'n'] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: [] }],
    initializers: new Map(),
    values: new Map(),
    functions: [],
    metadata: new Map(),
    producer: 'lathe',
  }
}

/** Runs in the child, from its source text: it may use nothing but its arguments. */
async function child(runtime: typeof Runtime, device: string, model: Uint8Array, measure: boolean) {
  runtime.env.logLevel = 'fatal'
  const session = await runtime.InferenceSession.create(model, { executionProviders: [device], logSeverityLevel: 4 })
  const seconds = async (n: number) => {
    const x = new runtime.Tensor('float32', new Float32Array(n * n).fill(1), [n, n])
    const started = performance.now()
    await session.run({ x })
    return (performance.now() - started) / 1000
  }
  await seconds(16)
  if (!measure) return null
  const work = (n: number) => (8 * 2 * n ** 3) / 1e9
  // The best of a few runs, at a size that the device does in a fraction of a second: other programs only slow a run down.
  const fastest = async (n: number) => work(n) / Math.min(await seconds(n), await seconds(n), await seconds(n))
  let speed = await fastest(512)
  for (const n of [1024, 2048]) if (work(n) / speed < 0.4) speed = await fastest(n)
  return speed
}

const scriptOf = (source: string): string => `
const runtime = require(process.argv[1])
const run = ${source}
const say = (answer) => process.stdout.write(JSON.stringify(answer) + '\\n', () => process.exit(0))
const chunks = []
process.stdin.on('data', (chunk) => chunks.push(chunk)).on('end', async () => {
  try {
    const model = new Uint8Array(Buffer.concat(chunks))
    say({ gflops: await run(runtime, process.argv[2], model, process.argv[3] === 'measure') })
  } catch (error) {
    say({ error: String((error && error.message) || error) })
  }
})`

const explain = (code: number | null, signal: string | null, late: boolean): string => {
  if (late) return `did not answer within ${patienceMs / 1000} s`
  return signal ? `its driver ended the test process (${signal})` : `the test process ended with code ${code}`
}

/** Whether `device` can run a small graph here, and how fast when `measure` is set. Never throws. */
export function probe(device: DeviceId, measure: boolean): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const args = ['-e', scriptOf(child.toString()), runtimePackage(), device, measure ? 'measure' : 'try']
    const started = spawn(process.execPath, args, {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...process.env, ELECTRON_RUN_AS_NODE: '1', NODE_OPTIONS: '' },
    })
    let output = ''
    let late = false
    const timer = setTimeout(() => {
      late = true
      started.kill('SIGKILL')
    }, patienceMs)
    const fail = (reason: string) => resolve({ works: false, reason, gflops: null })
    started.stdout.on('data', (chunk) => (output += String(chunk)))
    started.stdin.on('error', () => undefined) // the child may die before it has read its input; 'close' says how
    started.on('error', (error) => fail(error.message))
    started.on('close', (code, signal) => {
      clearTimeout(timer)
      const line = output.split('\n').findLast((text) => text.startsWith('{'))
      if (line === undefined) return fail(explain(code, signal, late))
      const answer = JSON.parse(line) as { gflops?: number | null; error?: string }
      if (answer.error !== undefined) return fail(reasonOf(answer.error))
      resolve({ works: true, reason: '', gflops: answer.gflops ?? null })
    })
    started.stdin.end(encodeModel(speedGraph(), () => new Uint8Array()))
  })
}

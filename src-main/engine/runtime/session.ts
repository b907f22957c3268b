import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import { encodeModel, measureModel, streamModel } from '../checkpoint/onnx/encode.ts'
import type { Graph } from '../graph/ir.ts'
import { deviceTitles, reasonOf, withFallback, type LiveSession } from './fallback.ts'
import { type InferenceSession, runtime, type Tensor } from './ort.ts'
import { fromTensor, toTensor } from './tensors.ts'
import { sweepTemporary, temporaryFolder } from './temporary.ts'
import type { OpenSession, Session, WeightReader } from './types.ts'

/** One protobuf message may not pass 2 GiB; above this the weights lie beside the model. */
const largestMessageBytes = 1.9e9

/** The graph with some initializers turned into inputs of their own type and shape. */
export function weightsAsInputs(graph: Graph, names: readonly string[]): Graph {
  if (names.length === 0) return graph
  const initializers = new Map(graph.initializers)
  const inputs = names.map((name) => {
    const initializer = initializers.get(name)
    if (!initializer)
      throw new Fault('bad-arguments', `The graph has no weight "${name}" to feed.`, { data: { tensor: name } })
    initializers.delete(name)
    return { name, dtype: initializer.dtype, shape: [...initializer.shape] }
  })
  return { ...graph, inputs: [...graph.inputs, ...inputs], initializers }
}

/** Threads of a session unless told otherwise. LATHE_THREADS bounds it on shared machines. */
export function defaultThreads(): number {
  const told = Number(process.env.LATHE_THREADS)
  return Number.isInteger(told) && told > 0 ? told : Math.max(1, availableParallelism())
}

// Vulkan allows sine and cosine an absolute error of 2^-11 and more beyond one turn (specification, "Precision of GLSL.std.450
// Instructions"): positions of a long text would blur. These few small nodes stay on the CPU.
const imprecise = new Set(['Sin', 'Cos'])
const nodesForCpu = (graph: Graph): string[] =>
  graph.nodes.filter((node) => imprecise.has(node.op) && node.name !== '').map((node) => node.name)

const provider = (device: DeviceId, exact: string[]): InferenceSession.ExecutionProviderConfig =>
  device === 'webgpu' && exact.length > 0 ? { name: 'webgpu', forceCpuNodeNames: exact } : device

// Sequential execution and a fixed thread count: the same model on the same machine adds in the same order each time.
// Idle threads sleep instead of spinning: the window shares these cores, and on busy ones spinning doubles the time.
export const settings = (device: DeviceId, threads: number, exact: string[] = []): InferenceSession.SessionOptions => ({
  executionProviders: device === 'cpu' ? ['cpu'] : [provider(device, exact), 'cpu'],
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  logSeverityLevel: 4,
  extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
})

const unsupported =
  /NOT_IMPLEMENTED|Could not find an implementation|is not a registered function\/op|No Op registered|No opset import/i

const deviceFault = (error: unknown, device: DeviceId, doing: string): Fault =>
  error instanceof Fault
    ? error
    : new Fault(
        unsupported.test(String(error)) && device === 'cpu' ? 'unsupported' : 'device',
        `${deviceTitles[device]} could not ${doing}: ${reasonOf(error)}`,
        { data: { found: device }, cause: error },
      )

const live = (session: InferenceSession, device: DeviceId, closed: () => void): LiveSession => ({
  inputNames: session.inputNames,
  outputNames: session.outputNames,
  async run(feeds, fetches) {
    const known = new Set(session.inputNames)
    const missing = session.inputNames.filter((name) => !Object.hasOwn(feeds, name))
    const foreign = Object.keys(feeds).filter((name) => !known.has(name))
    if (missing.length > 0 || foreign.length > 0)
      throw new Fault('bad-arguments', `The graph takes ${session.inputNames.join(', ')}.`, {
        data: { expected: session.inputNames.join(', '), found: Object.keys(feeds).join(', ') },
      })
    const tensors: Record<string, Tensor> = {}
    for (const [name, value] of Object.entries(feeds)) tensors[name] = toTensor(name, value)
    try {
      const outputs = fetches ? await session.run(tensors, fetches) : await session.run(tensors)
      return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, fromTensor(name, tensor)]))
    } catch (error) {
      throw deviceFault(error, device, 'run the graph')
    }
  },
  async release() {
    try {
      await session.release()
    } finally {
      closed()
    }
  },
})

/** Writes the model beside its weights in `folder`; peak memory is about one tensor. Returns the model's path. */
function writeModel(graph: Graph, weights: WeightReader, folder: string): string {
  const path = join(folder, 'model.onnx')
  const model = openSync(path, 'wx')
  const data = openSync(join(folder, 'weights.bin'), 'wx')
  const into = (file: number) => (chunk: Uint8Array) => {
    for (let at = 0; at < chunk.byteLength;) at += writeSync(file, chunk, at)
  }
  try {
    streamModel(graph, weights, into(model), { location: 'weights.bin', sink: into(data), thresholdBytes: 1024 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC')
      throw new Fault('disk', `No space left in ${folder} for a model of ${measureModel(graph)} bytes.`, {
        hint: 'Free space, or point TMPDIR to a larger disk.',
      })
    throw error
  } finally {
    closeSync(model)
    closeSync(data)
  }
  return path
}

async function create(graph: Graph, weights: WeightReader, device: DeviceId, threads: number, limitBytes: number) {
  const doing = `open the graph "${graph.name}"`
  const options = settings(device, threads, nodesForCpu(graph))
  if (measureModel(graph) <= limitBytes) {
    const model = encodeModel(graph, weights)
    try {
      return live(await runtime().InferenceSession.create(model, options), device, () => undefined)
    } catch (error) {
      throw deviceFault(error, device, doing)
    }
  }
  sweepTemporary()
  const folder = temporaryFolder()
  const remove = () => {
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const session = await runtime().InferenceSession.create(writeModel(graph, weights, folder), options)
    return live(session, device, remove)
  } catch (error) {
    remove()
    throw deviceFault(error, device, doing)
  }
}

/** As OpenSession says; `limitBytes` is the size above which the model passes through a temporary file. */
export async function openSessionWithLimit(
  ...[graph, weights, options, notify, limitBytes]: [...Parameters<OpenSession>, number]
): Promise<Session> {
  const prepared = weightsAsInputs(graph, options.weightInputs ?? [])
  const threads = options.threads ?? defaultThreads()
  return withFallback(
    (device) => create(prepared, weights, device, threads, limitBytes),
    options.device,
    (text) => notify(text),
  )
}

/** Opens a graph on a device; see OpenSession. Throws Fault('device') or Fault('unsupported') when even the CPU cannot. */
export const openSession: OpenSession = (graph, weights, options, notify) =>
  openSessionWithLimit(graph, weights, options, notify, largestMessageBytes)

/** Opens a model file as it lies on disk, as any other program would. Throws Fault('bad-input') naming the file. */
export async function openFile(
  path: string,
  options: { device: DeviceId; threads?: number },
  notify: (notice: string) => void,
): Promise<Session> {
  const threads = options.threads ?? defaultThreads()
  return withFallback(
    async (device) => {
      try {
        return live(await runtime().InferenceSession.create(path, settings(device, threads)), device, () => undefined)
      } catch (error) {
        const fault = deviceFault(error, device, `open ${path}`)
        throw device === 'cpu' ? new Fault('bad-input', fault.message, { data: { file: path }, cause: error }) : fault
      }
    },
    options.device,
    notify,
  )
}

// What running a variant takes in the form that its exported file has: the file is written to a temporary folder, node for
// node as the exporter writes it, and a process of its own opens and runs it on the CPU (runtime/running.ts).
//   memory: one sample at once, an image or a whole window of text;  time: one image or one token
import { closeSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Fault, toFault } from '../../../src-preload/contract/fault.ts'
import type { Network } from '../checkpoint/network.ts'
import { measureExternal, streamModel } from '../checkpoint/onnx/encode.ts'
import type { Dataset } from '../data/types.ts'
import { assemble } from '../export/onnx/assemble.ts'
import { formOf } from '../export/onnx/form.ts'
import { artifactReader, exportWeights } from '../export/onnx/weights.ts'
import type { Artifact, TaskContext } from '../protocol.ts'
import { runFile } from '../runtime/running.ts'
import { defaultThreads } from '../runtime/session.ts'
import { sweepTemporary, temporaryFolder } from '../runtime/temporary.ts'
import type { TensorValue } from '../runtime/types.ts'
import { firstToken, medianOf, runs, type Timing } from './measure.ts'
import { oneFile } from './names.ts'

export interface RunningFile extends Timing {
  fileBytes: number
  openBytes: number // resident memory at the peak while the file was opened, over what the runtime holds without it
  peakBytes: number // the same with a run on one sample
  sample: string // '[1, 256]': what entered
}

/** As the exporter: what is larger has its weights beside it. */
const largestModelBytes = 1.9e9
const externalFromBytes = 1 << 20

export interface RunningArguments {
  network: Network
  dataset: Dataset
  artifacts: readonly Artifact[] | null
  format: string
}

/** null, with a notice, where it cannot be measured: it is no reason to end a job. */
export async function measureRunning(args: RunningArguments, context: TaskContext): Promise<RunningFile | null> {
  try {
    return await measure(args, context)
  } catch (error) {
    context.notify(`What running the file takes was not measured. ${toFault(error).message}`)
    return null
  }
}

async function measure(
  { network, dataset, artifacts, format }: RunningArguments,
  context: TaskContext,
): Promise<RunningFile | null> {
  const style = oneFile[format]
  if (style === undefined || network.graph === null) return null
  const changed = artifacts ?? []
  const read = artifactReader({ network, artifacts: [...changed] })
  const assembled = assemble(network, new Map(changed.map(({ layer }) => [layer, formOf(read(layer))])), style)
  const { graph } = assembled
  const whole = measureExternal(graph, { location: '', thresholdBytes: Infinity }).modelBytes
  refuseTooLarge(whole)
  const feeds = await feedsOf(dataset, new Set(graph.inputs.map(({ name }) => name)))
  const timed = network.head === null ? feeds : mapValues(feeds, firstToken)
  sweepTemporary()
  const folder = temporaryFolder()
  try {
    context.progress({ fraction: 0, step: 'writing the file' })
    const path = join(folder, 'model.onnx')
    writeModel(path, join(folder, 'model.data'), (model, data) =>
      streamModel(
        graph,
        exportWeights(network, assembled, read),
        model,
        whole > largestModelBytes
          ? { location: 'model.data', thresholdBytes: externalFromBytes, sink: data }
          : undefined,
      ),
    )
    context.progress({ fraction: 0.5, step: 'running the file' })
    const { openBytes, peakBytes, seconds } = await runFile(
      path,
      { sample: feeds, timed },
      { ...runs, threads: defaultThreads() },
    )
    const fileBytes = statSync(path).size + statSync(join(folder, 'model.data')).size
    const sample = JSON.stringify(Object.values(feeds)[0]?.dims ?? [])
    return { ...medianOf(seconds), fileBytes, openBytes, peakBytes, sample }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A file that leaves no room for its copies would make the system swap, and the figure worthless. */
function refuseTooLarge(bytes: number): void {
  const { bavail, bsize } = statfsSync(tmpdir())
  if (bavail * bsize < bytes)
    throw new Fault('disk', `No room in ${tmpdir()} for the file of ${bytes} bytes.`, {
      hint: 'Free space, or point TMPDIR to a larger disk.',
    })
  const free = process.availableMemory()
  if (2.5 * bytes > free)
    throw new Fault('too-large', `Its file of ${bytes} bytes and what is packed from it do not fit ${free} free bytes.`)
}

async function feedsOf(dataset: Dataset, wanted: ReadonlySet<string>): Promise<Record<string, TensorValue>> {
  for await (const { feeds } of dataset.calibrate.batches({ batchSize: 1, limit: 1 }))
    return Object.fromEntries(Object.entries(feeds).filter(([name]) => wanted.has(name)))
  throw new Fault('bad-data', `${dataset.path}: no sample to run.`, { data: { file: dataset.path } })
}

const mapValues = <V>(values: Readonly<Record<string, V>>, change: (value: V) => V): Record<string, V> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]))

type Sink = (chunk: Uint8Array) => void

function writeModel(modelPath: string, dataPath: string, write: (model: Sink, data: Sink) => void): void {
  const files = [openSync(modelPath, 'wx'), openSync(dataPath, 'wx')] as const
  const into =
    (file: number): Sink =>
    (chunk) => {
      for (let at = 0; at < chunk.byteLength;) at += writeSync(file, chunk, at)
    }
  try {
    write(into(files[0]), into(files[1]))
  } finally {
    for (const file of files) closeSync(file)
  }
}

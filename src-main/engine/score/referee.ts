// What a changed network is compared with: the original's own answers on the calibration samples, computed once.
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import type { Network } from '../checkpoint/network.ts'
import type { Dataset } from '../data/types.ts'
import { logitsValue } from '../evaluate/output.ts'
import { scoredUnit } from '../evaluate/task.ts'
import type { Graph } from '../graph/ir.ts'
import { segment } from '../graph/segment.ts'
import type { TaskContext } from '../protocol.ts'
import type { TensorValue } from '../runtime/types.ts'
import { calibrate, type Calibration } from './calibration.ts'
import { divergenceOutput, logSoftmaxRows, referenceInput, withDivergence } from './divergence.ts'
import { type Effort, measureEffort } from './effort.ts'

/** The original's log-probabilities may take this much; beyond it hidden states are kept and go through the head again. */
const mostReferenceBytes = 2 ** 29

export interface Referee {
  network: Network & { graph: Graph }
  calibration: Calibration
  graph: Graph // that computes `output` and nothing else
  output: string
  effort: Effort
  /** Multiplications of one sample in one forward pass, and of one comparison outside the graph. */
  passWork: number
  compareWork: number
  /** What batch `index` needs beside its own feeds. */
  feeds(index: number): Record<string, TensorValue>
  /** Divergence of each scored row of batch `index`, nats. */
  compare(index: number, output: TensorValue, head?: Float32Array): Promise<ArrayLike<number>>
  /** Whether changed head weights come into `compare` rather than into the graph. */
  headOutside: boolean
}

interface Key {
  network: Network
  dataset: Dataset
  samples: number
  device: DeviceId
}

const kept = new WeakMap<Calibration, Promise<Referee>>()

/** The referee of these samples; kept as long as their calibration is. Faults 'unsupported' without a graph. */
export async function refereeFor(key: Key, context: TaskContext): Promise<Referee> {
  const calibration = await calibrate(key, context)
  const found = kept.get(calibration) ?? open(key, calibration, context)
  kept.set(calibration, found)
  found.catch(() => kept.delete(calibration))
  return found
}

async function open(key: Key, calibration: Calibration, context: TaskContext): Promise<Referee> {
  const { dataset, device } = key
  const { graph } = key.network
  if (graph === null)
    throw new Fault('unsupported', `${key.network.name} holds tensors only: there is no graph to run.`, {
      data: { file: key.network.path },
    })
  const network = { ...key.network, graph }
  const effort = await measureEffort(network, dataset, device, context.notify)
  const inGraph = await openInGraph(network, calibration, context)
  const whole = segment(graph, { outputs: [graph.outputs[0]?.name ?? calibration.judge.value] })
  const passWork = Math.max(1, effort.of(whole))
  if (inGraph) return { ...inGraph, network, calibration, effort, passWork, compareWork: 0, headOutside: false }

  const { judge } = calibration
  const batches = await calibration.at([judge.value], context)
  const references = batches.map(({ values }) => floats(values.get(judge.value)))
  const body = segment(graph, { outputs: [judge.value] })
  return {
    ...{ network, calibration, effort, passWork },
    graph: body,
    output: judge.value,
    compareWork: judge.kind === 'language' ? 2 * Math.max(0, passWork - effort.of(body)) : 0,
    headOutside: judge.kind === 'language',
    feeds: () => ({}),
    async compare(index, output, head) {
      const reference = references[index] ?? new Float32Array()
      return (await judge.compare(reference, floats(output), batches[index]?.batch.targets ?? null, head)).kl
    },
  }
}

/** Divergences inside the graph, where there are classes and the original's log-probabilities fit in memory. */
async function openInGraph(
  network: Network & { graph: Graph },
  calibration: Calibration,
  context: TaskContext,
): Promise<Pick<Referee, 'graph' | 'output' | 'feeds' | 'compare'> | null> {
  const value = logitsValue(network.graph)
  const unit = scoredUnit(network)
  if (value === null || unit === null) return null
  const classes = network.head?.vocabulary ?? classesOf(network, unit)
  if (classes === null) return null
  const rowsOf = await calibration.at([], context)
  const rows = rowsOf.reduce((sum, { batch }) => sum + (batch.targets?.length ?? batch.size), 0)
  if (rows * classes * 4 > mostReferenceBytes) return null
  const batches = await calibration.at([value], context)
  const references = batches.map(({ values }) => logSoftmaxRows(Float32Array.from(floats(values.get(value))), classes))
  if (references.some(({ length }) => length === 0 || length % classes !== 0)) return null
  const wanted = batches.map(({ batch }, index): Int32Array | null => {
    const count = (references[index]?.length ?? 0) / classes
    return batch.targets?.length === count ? batch.targets : null
  })
  return {
    graph: segment(withDivergence(network.graph, value, classes), { outputs: [divergenceOutput] }),
    output: divergenceOutput,
    feeds(index) {
      const data = references[index] ?? new Float32Array()
      return { [referenceInput]: { dtype: 'float32', dims: [data.length / classes, classes], data } }
    },
    compare(index, output) {
      const targets = wanted[index]
      const all = floats(output)
      return Promise.resolve(targets ? all.filter((_, row) => targets[row] !== -1) : all)
    },
  }
}

function classesOf({ graph }: { graph: Graph }, unit: 'token' | 'sample'): number | null {
  const shape = graph.outputs[0]?.shape
  if (!shape || shape.length < 2) return null
  const inner = unit === 'token' ? shape.slice(-1) : shape.slice(1)
  const sizes = inner.filter((size) => typeof size === 'number')
  const product = sizes.reduce((all, size) => all * size, 1)
  return sizes.length === inner.length && product > 1 ? product : null
}

const floats = (value: TensorValue | undefined): Float32Array =>
  value?.data instanceof Float32Array ? value.data : Float32Array.from(value?.data ?? [], Number)

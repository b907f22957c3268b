// Cross-entropy inside the graph, for scores that run the network with something changed and ask what that costs.
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Network } from '../checkpoint/network.ts'
import { weightReader } from '../checkpoint/weights.ts'
import type { Batch } from '../data/types.ts'
import { logitsValue } from '../evaluate/output.ts'
import { scoredUnit } from '../evaluate/task.ts'
import { type Graph, int, node } from '../graph/ir.ts'
import { raiseOpset } from '../graph/opset.ts'
import { allNames, freshName } from '../graph/scope.ts'
import { segment } from '../graph/segment.ts'
import { openSession } from '../runtime/session.ts'
import type { Session, TensorValue } from '../runtime/types.ts'
import type { Bench } from './define.ts'

/** Axes come as inputs, GatherElements is there, and softmax works along one axis, from here on. */
const wantedOpset = 13

export interface LossGraph {
  graph: Graph
  targets: string // input, int64 [rows, 1]
  loss: string // output, float32 [rows, 1]: -ln p(target)
  best: string // output, int64 [rows, 1]: the most likely class
}

/** The network from `cut` on (empty: all of it), with the cross-entropy of each row of its scores behind it. Faults
 *  'unsupported' where it has no classes or tokens to be wrong about. */
export function lossGraph(network: Network, cut: readonly string[] = []): LossGraph {
  const unit = scoredUnit(network)
  const logits = network.graph && logitsValue(network.graph)
  if (!network.graph || logits === null || unit === null)
    throw new Fault('unsupported', `${network.name} has no scores of classes or tokens whose loss could be measured.`, {
      hint: 'Choose a score that looks at weights or activations alone.',
      data: { file: network.path },
    })
  const graph = raiseOpset(segment(network.graph, { inputs: [...cut], outputs: [logits] }), wantedOpset)
  const taken = allNames(graph)
  const [targets, flat, log, picked, loss, best] = ['targets', 'rows', 'log', 'picked', 'value', 'best'].map((name) =>
    freshName(taken, `loss/${name}`),
  ) as [string, string, string, string, string, string]
  return {
    ...{ targets, loss, best },
    graph: {
      ...graph,
      nodes: [
        ...graph.nodes,
        node('Flatten', [logits], [flat], { axis: int(unit === 'token' ? -1 : 1) }),
        node('LogSoftmax', [flat], [log], { axis: int(-1) }),
        node('GatherElements', [log, targets], [picked], { axis: int(1) }),
        node('Neg', [picked], [loss]),
        node('ArgMax', [flat], [best], { axis: int(1), keepdims: int(1) }),
      ],
      inputs: [...graph.inputs, { name: targets, dtype: 'int64', shape: ['rows', 1] }],
      outputs: [
        { name: loss, dtype: 'float32', shape: ['rows', 1] },
        { name: best, dtype: 'int64', shape: ['rows', 1] },
      ],
    },
  }
}

export const columnOf = (values: ArrayLike<number>): TensorValue => {
  const data = BigInt64Array.from({ length: values.length }, (_, row) => BigInt(Math.max(0, values[row] ?? 0)))
  return { dtype: 'int64', dims: [values.length, 1], data }
}

export interface Loss {
  sum: number
  rows: number
}

/** Cross-entropy of the rows that have a target (not -1), in nats. `feeds` may hold more than the graph takes. */
export async function measureLoss(
  session: Session,
  { targets: input, loss }: LossGraph,
  feeds: Readonly<Record<string, TensorValue>>,
  targets: Int32Array,
): Promise<Loss> {
  const all: Record<string, TensorValue> = { ...feeds, [input]: columnOf(targets) }
  const given = Object.entries(all).filter(([name]) => session.inputNames.includes(name))
  const found = (await session.run(Object.fromEntries(given), [loss]))[loss]
  let [sum, rows] = [0, 0]
  targets.forEach((target, row) => {
    if (target < 0) return
    sum += Number(found?.data[row] ?? NaN)
    rows++
  })
  return { sum, rows }
}

/** What each row of each batch is to be; where labels are missing, what the network itself finds most likely. */
export async function labelsOf(bench: Bench, batches: readonly Batch[]): Promise<Int32Array[]> {
  const { network, device, context } = bench
  const given = batches.flatMap(({ targets }) => (targets ? [targets] : []))
  if (given.length === batches.length) return given
  const graph = lossGraph(network)
  const session = await openSession(graph.graph, weightReader(network), { device }, context.notify)
  try {
    const labels: Int32Array[] = []
    for (const { feeds: own } of batches) {
      const feeds = Object.entries({ ...own, [graph.targets]: columnOf([0]) })
      const known = feeds.filter(([name]) => session.inputNames.includes(name))
      const found = (await session.run(Object.fromEntries(known), [graph.best]))[graph.best]
      labels.push(Int32Array.from(found?.data ?? [], Number))
    }
    return labels
  } finally {
    await session.release()
  }
}

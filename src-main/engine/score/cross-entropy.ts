// Cross-entropy inside the graph, for scores that run the network with something changed and ask what that costs.
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Network } from '../checkpoint/network.ts'
import type { Batch } from '../data/types.ts'
import { logitsValue } from '../evaluate/output.ts'
import { scoredUnit } from '../evaluate/task.ts'
import { type Graph, int, node } from '../graph/ir.ts'
import { raiseOpset } from '../graph/opset.ts'
import { allNames, freshName } from '../graph/scope.ts'
import { segment } from '../graph/segment.ts'
import type { Session, TensorValue } from '../runtime/types.ts'

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

const column = (values: ArrayLike<number>): TensorValue => {
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
  const all: Record<string, TensorValue> = { ...feeds, [input]: column(targets) }
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

/** The labels of a batch; where it has none, what the network itself finds most likely. */
export async function targetsOf(session: Session, graph: LossGraph, batch: Batch): Promise<Int32Array> {
  if (batch.targets) return batch.targets
  const feeds: Record<string, TensorValue> = { ...batch.feeds, [graph.targets]: column([0]) }
  const given = Object.entries(feeds).filter(([name]) => session.inputNames.includes(name))
  const found = (await session.run(Object.fromEntries(given), [graph.best]))[graph.best]
  return Int32Array.from(found?.data ?? [], Number)
}

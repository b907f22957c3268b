// Small graphs and their relevance, for tests of the rules.
import { float32Tensor } from '../../../src-main/engine/graph/constants.ts'
import type { Graph, Initializer, Node } from '../../../src-main/engine/graph/ir.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import type { TensorValue } from '../../../src-main/engine/runtime/types.ts'
import { type Explained, type Reading, relevanceGraph } from '../../../src-main/engine/score/relevance/walk.ts'

/** A graph from x [any shape] to y. */
export const smallGraph = (shape: number[], nodes: Node[], constants: Initializer[] = []): Graph => ({
  name: 'small',
  irVersion: 10,
  opsets: new Map([['', 18]]),
  nodes,
  inputs: [{ name: 'x', dtype: 'float32', shape }],
  outputs: [{ name: 'y', dtype: 'float32', shape: null }],
  initializers: new Map(constants.map((constant) => [constant.name, constant])),
  values: new Map(),
  functions: [],
  metadata: new Map(),
  producer: 'test',
})

export const constant = float32Tensor

/** Relevance of the asked values, with the total and what was absorbed. */
export async function relevanceOf(
  graph: Graph,
  feeds: Record<string, TensorValue>,
  readings: readonly Reading[],
  explained: Explained = { value: 'y', unit: 'features' },
) {
  const made = relevanceGraph(graph, explained, readings)
  const inline = (name: string) => {
    const found = made.graph.initializers.get(name)
    return found && 'inline' in found.data ? found.data.inline : new Uint8Array()
  }
  const session = await openSession(made.graph, inline, { device: 'cpu' }, () => undefined)
  const rows: TensorValue = { dtype: 'float32', dims: [1, 1], data: Float32Array.of(1) }
  const found = await session.run({ ...feeds, [made.rows]: rows })
  await session.release()
  const read = (name: string | null) => (name === null ? null : Array.from(found[name]?.data ?? [], Number))
  return {
    total: read(made.total)?.[0] ?? NaN,
    absorbed: read(made.absorbed)?.[0] ?? NaN,
    read: made.readings.map(read),
  }
}

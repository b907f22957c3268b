// Shapes of values as they are on real data: where nothing was spread to a larger shape, nothing has to be summed back, which
// leaves out half of the nodes.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../../src-preload/contract/project.ts'
import type { Network } from '../../checkpoint/network.ts'
import { weightReader } from '../../checkpoint/weights.ts'
import type { Batch } from '../../data/types.ts'
import { node } from '../../graph/ir.ts'
import { allNames, freshName } from '../../graph/scope.ts'
import { segment } from '../../graph/segment.ts'
import { openSession } from '../../runtime/session.ts'

/** Shape of a value on the batch that was looked at; null where it is not known. */
export type Sizes = (value: string) => readonly number[] | null

const spreading = new Set('Add Sub Mul Div Pow Sum Mean Max Min Where MatMul'.split(' '))

/** Runs one batch up to `output` and notes the shapes around operators that may spread a value. */
export async function readSizes(
  network: Network,
  output: string,
  { feeds: all }: Batch,
  { device, notify }: { device: DeviceId; notify: (notice: string) => void },
): Promise<Sizes> {
  if (!network.graph) throw new Fault('unsupported', `${network.name} holds tensors only.`)
  const graph = segment(network.graph, { outputs: [output] })
  const taken = allNames(graph)
  const names = new Map<string, string>() // value -> the output that holds its shape
  for (const { op, inputs, outputs } of graph.nodes)
    if (spreading.has(op))
      for (const value of [...inputs, ...outputs]) if (value !== '') names.set(value, freshName(taken, `size/${value}`))
  const sizes = new Map<string, number[]>()
  const asked = [...names].filter(([value]) => !graph.initializers.has(value))
  for (const [value, { shape }] of graph.initializers) sizes.set(value, shape)
  if (asked.length === 0) return (value) => sizes.get(value) ?? null
  const probe = {
    ...graph,
    nodes: [...graph.nodes, ...asked.map(([value, name]) => node('Shape', [value], [name]))],
    outputs: asked.map(([, name]) => ({ name, dtype: 'int64' as const, shape: [null] })),
  }
  const session = await openSession(probe, weightReader(network), { device }, notify)
  try {
    const feeds = Object.entries(all).filter(([name]) => session.inputNames.includes(name))
    const found = await session.run(Object.fromEntries(feeds))
    for (const [value, name] of asked) sizes.set(value, Array.from(found[name]?.data ?? [], Number))
  } finally {
    await session.release()
  }
  return (value) => sizes.get(value) ?? null
}

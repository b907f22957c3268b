// The variant of a network too large to run whole in float32: cut before each block, run part by part, with the weights
// of one part in memory.
import type { Network } from '../../checkpoint/network.ts'
import type { Graph } from '../../graph/ir.ts'
import { cutBefore, segment } from '../../graph/segment.ts'
import { openSession } from '../../runtime/session.ts'
import { fromBytes } from '../../runtime/tensors.ts'
import type { Session, TensorValue, WeightReader } from '../../runtime/types.ts'

export type Feeds = Record<string, TensorValue>

/** Weights below this stay in the part's session. */
const FED_FROM_BYTES = 1 << 20

/** The network as graphs of one block each (the embedding and the head are parts of their own where they can be); one
 *  graph, the whole network, where there are no blocks. Each takes values earlier parts give, and graph inputs. */
export function partsOf(network: Network & { graph: Graph }): Graph[] {
  const { graph, blocks, head } = network
  const cuts = [...blocks.map((block) => cutBefore(graph, block)), ...(head === null ? [] : [[head.hidden]])]
  const bounds = [[], ...cuts.filter((cut) => cut.length > 0), graph.outputs.map(({ name }) => name)]
  return bounds.slice(1).flatMap((ends, index) => {
    const inputs = bounds[index] ?? []
    const outputs = ends.filter((name) => !inputs.includes(name))
    return outputs.length === 0 ? [] : [segment(graph, { inputs, outputs })]
  })
}

/** Gives memory back now: the collector would let several blocks' worth pile up. */
const free = (buffer: ArrayBufferLike): void => {
  if (buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0)
}

/** Outputs of the network with these weights, each asked for once; the reader's buffers are freed after use. Large weights enter each session as inputs: ONNX Runtime then reads them
 *  where they are instead of making its own copies. */
export async function runParts(
  network: Network & { graph: Graph },
  weights: WeightReader,
  feeds: Feeds,
  notify: (notice: string) => void,
): Promise<Feeds> {
  let values: Feeds = { ...feeds }
  for (const part of partsOf(network)) {
    const large = [...part.initializers.values()].filter(
      ({ data, shape, dtype }) => 'source' in data && dtype === 'float32' && countOf(shape) * 4 >= FED_FROM_BYTES,
    )
    const weightInputs = large.map(({ name }) => name)
    const session = await openSession(part, weights, { device: 'cpu', weightInputs }, notify)
    const fed: Feeds = {}
    try {
      for (const { name, dtype, shape } of large) fed[name] = fromBytes(dtype, shape, weights(name))
      values = { ...values, ...(await runPart(session, { ...values, ...fed })) }
    } finally {
      await session.release()
      for (const { data } of Object.values(fed)) free(data.buffer)
    }
  }
  return Object.fromEntries(
    network.graph.outputs.flatMap(({ name }) => (values[name] === undefined ? [] : [[name, values[name]]])),
  )
}

async function runPart(session: Session, known: Feeds): Promise<Feeds> {
  const wanted = session.inputNames.flatMap((name) => (known[name] === undefined ? [] : [[name, known[name]] as const]))
  return session.run(Object.fromEntries(wanted))
}

const countOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

import { Fault } from '../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import type { Network } from '../checkpoint/network.ts'
import { weightReader } from '../checkpoint/weights.ts'
import type { Batch } from '../data/types.ts'
import type { Graph } from '../graph/ir.ts'
import { segment } from '../graph/segment.ts'
import { openSession } from '../runtime/session.ts'
import type { TensorValue } from '../runtime/types.ts'

/** A network, perhaps with other weights, that computes some of its values for a batch. */
export interface Body {
  /** Where it runs, after any fallback. */
  readonly device: DeviceId
  run(batch: Batch): Promise<{ values: Map<string, TensorValue>; seconds: number }>
  release(): Promise<void>
}

/** The graph cut down to `values`; itself where it has just these outputs. */
function graphFor(graph: Graph, values: readonly string[]): Graph {
  const same = graph.outputs.length === values.length && graph.outputs.every((output) => values.includes(output.name))
  return same ? graph : segment(graph, { outputs: [...values] })
}

/** Opens a network for evaluation. Faults 'unsupported' where it has no graph, 'device' where it cannot run. */
export async function openBody(
  network: Network,
  values: readonly string[],
  overrides: ReadonlyMap<string, Float32Array> | null,
  device: DeviceId,
  notify: (notice: string) => void,
): Promise<Body> {
  if (!network.graph) throw new Fault('unsupported', `${network.path}: tensors only, nothing can be run`)
  const graph = graphFor(network.graph, values)
  const session = await openSession(graph, weightReader(network, overrides ?? undefined), { device }, notify)
  const wanted = new Set(session.inputNames)
  return {
    get device() {
      return session.device
    },
    async run(batch) {
      // Cutting off the end of a graph may leave some inputs without a reader.
      const feeds = Object.fromEntries(Object.entries(batch.feeds).filter(([name]) => wanted.has(name)))
      const started = performance.now()
      const outputs = await session.run(feeds, [...values])
      const seconds = (performance.now() - started) / 1000
      return { values: new Map(Object.entries(outputs)), seconds }
    },
    release: () => session.release(),
  }
}

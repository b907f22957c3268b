import { fromFloat32 } from '../checkpoint/convert.ts'
import type { Layer, Network } from '../checkpoint/network.ts'
import { toMemoryOrder, weightReader } from '../checkpoint/weights.ts'
import { segment } from '../graph/segment.ts'
import type { TaskContext } from '../protocol.ts'
import type { WeightMatrix } from '../quantize/types.ts'
import { openSession } from '../runtime/session.ts'
import { fromBytes } from '../runtime/tensors.ts'
import type { Session, TensorValue } from '../runtime/types.ts'
import type { Calibration, CalibrationBatch } from './calibration.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'

/** The network from a cut on, with some layers' weights as inputs: another candidate needs no new session. */
export interface Suffix {
  /** Mean KL(original || candidate) in nats per predicted row, with this layer's weight swapped in. */
  loss(layer: Layer, candidate: WeightMatrix): Promise<number>
  release(): Promise<void>
}

/** Opens the suffix behind `cut` (empty: the whole network) and computes the original's outputs once. */
export async function openSuffix(
  network: Network,
  calibration: Calibration,
  cut: readonly string[],
  layers: readonly Layer[],
  device: DeviceId,
  context: TaskContext,
): Promise<Suffix> {
  const { judge } = calibration
  if (network.graph === null) throw new Error('a network without a graph has no suffix')
  const graph = segment(network.graph, { inputs: [...cut], outputs: [judge.value] })
  const reader = weightReader(network)
  const inBody = layers.filter(({ name }) => graph.initializers.has(name))
  const original = new Map(
    inBody.map(({ name }): [string, TensorValue] => {
      const { dtype, shape } = graph.initializers.get(name) ?? { dtype: 'float32' as const, shape: [] }
      return [name, fromBytes(dtype, shape, reader(name))]
    }),
  )
  const batches = await calibration.at(cut, context)
  const options = { device, weightInputs: [...original.keys()] }
  const session = await openSession(graph, reader, options, context.notify)
  const references: Float32Array[] = []
  for (const one of batches) references.push(await run(session, one, original, judge.value))
  const head = judge.kind === 'language' ? network.head?.weight : undefined

  return {
    async loss(layer, candidate) {
      const memory = toMemoryOrder(layer, candidate)
      const weight = original.get(layer.name)
      const fed = new Map(original)
      if (weight !== undefined) {
        fed.set(layer.name, fromBytes(weight.dtype, weight.dims, fromFloat32(memory, weight.dtype)))
      }
      let [sum, rows] = [0, 0]
      for (const [index, one] of batches.entries()) {
        const reference = references[index] ?? new Float32Array()
        const output = weight === undefined ? reference : await run(session, one, fed, judge.value)
        const { kl } = await judge.compare(
          reference,
          output,
          one.batch.targets,
          layer.name === head ? memory : undefined,
        )
        for (const value of kl) sum += value
        rows += kl.length
      }
      return rows === 0 ? 0 : sum / rows
    },
    release: () => session.release(),
  }
}

async function run(
  session: Session,
  { batch, values }: CalibrationBatch,
  weights: ReadonlyMap<string, TensorValue>,
  output: string,
): Promise<Float32Array> {
  const feeds: Record<string, TensorValue> = {}
  for (const name of session.inputNames) {
    const value = weights.get(name) ?? values.get(name) ?? batch.feeds[name]
    if (value !== undefined) feeds[name] = value
  }
  const result = (await session.run(feeds, [output]))[output]
  return result?.data instanceof Float32Array ? result.data : Float32Array.from(result?.data ?? [], Number)
}

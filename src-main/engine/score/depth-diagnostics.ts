// How much blocks still do, over the depth of the network.
//   Sun et al. 2025, "The Curse of Depth in Large Language Models", section 3: where layers are normalized before each part, the
//     variance of the stream grows with depth and the Jacobian of deep blocks goes to the identity
//   Li et al. 2024, "Mix-LN: Unleashing the Power of Deeper Layers by Combining Pre-LN and Post-LN", section 2, and Gromov et
//     al. 2024, "The Unreasonable Ineffectiveness of the Deeper Layers", equation 2: angular distance
//   variance growth    var(y) / var(x)                            x, y: what enters and leaves the block, all elements
//   angular distance   mean over vectors of arccos(cos(x, y)) / pi
//   Jacobian           |J - I|_F / sqrt(n) = sqrt(E|J v - v|^2 / E|v|^2),  v ~ N(0, I) over all elements of a batch,
//                      J v = (f(x + e v) - f(x - e v)) / 2 e   (central differences; Hutchinson's estimator of the norm)
// The papers take gradients by backpropagation; finite differences need forward passes only. e is 1 % of the rms of x
// (assumed: the error of the difference, O(e^2), and that of float32 are then both far below what is told apart).
// The value given is the distance of the Jacobian from the identity: higher = the block does more. A block in the deeper half
// is flagged where it and its angle are both below `share` of the median of the shallower half (assumed: the papers show
// curves and give no threshold).
// Cost: one forward pass, and 2 * probes runs of every block on one batch. Needs activations.
import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { ScoreValue } from '../../../src-preload/contract/methods.ts'
import type { Network } from '../checkpoint/network.ts'
import { weightReader } from '../checkpoint/weights.ts'
import { random } from '../data/random.ts'
import type { Batch } from '../data/types.ts'
import { segment } from '../graph/segment.ts'
import { flowOf } from '../probe/flow.ts'
import { openSession } from '../runtime/session.ts'
import type { Session, TensorValue } from '../runtime/types.ts'
import { vectorsOf } from './cosine.ts'
import { defineScore } from './define.ts'

const STEP = 0.01 // of the rms of what enters

interface Stream {
  index: number
  input: string
  output: string
}

const streamsOf = (network: Network): Stream[] =>
  flowOf(network).flatMap(({ index, input, output }) => (input && output ? [{ index, input, output }] : []))

/** Count, sum and sum of squares of all elements seen. */
class Moments {
  count = 0
  sum = 0
  squares = 0

  add(values: ArrayLike<number>): void {
    for (let i = 0; i < values.length; i++) {
      const value = values[i] ?? 0
      this.sum += value
      this.squares += value * value
    }
    this.count += values.length
  }

  get variance(): number {
    const mean = this.sum / this.count
    return this.squares / this.count - mean * mean
  }
}

/** Sum of the angles between equal vectors of two activations as shares of a half turn, and their number. Vectors of zeros
 *  have no direction and are left out. */
export function sumOfAngles(a: TensorValue, b: TensorValue): { sum: number; count: number } {
  const [x, y] = [a.data, b.data]
  if (!(x instanceof Float32Array) || !(y instanceof Float32Array)) return { sum: 0, count: 0 }
  const { count, width, stride, start } = vectorsOf(a.dims)
  let [sum, used] = [0, 0]
  for (let index = 0; index < count; index++) {
    let [product, xx, yy] = [0, 0, 0]
    for (let i = 0, at = start(index); i < width; i++, at += stride) {
      const [p, q] = [x[at] ?? 0, y[at] ?? 0]
      product += p * q
      xx += p * p
      yy += q * q
    }
    if (xx === 0 || yy === 0) continue
    sum += Math.acos(Math.max(-1, Math.min(1, product / Math.sqrt(xx * yy)))) / Math.PI
    used++
  }
  return { sum, count: used }
}

/** |J - I|_F / sqrt(n) of a map around x, from `probes` random directions. `map` gives f(x). */
export async function identityDistance(
  x: Float32Array,
  map: (x: Float32Array) => Promise<Float32Array>,
  { probes, seed }: { probes: number; seed: number },
): Promise<number> {
  const source = random(seed)
  let energy = 0
  for (const value of x) energy += value * value
  const step = STEP * (Math.sqrt(energy / x.length) || 1)
  let [difference, length] = [0, 0]
  for (let probe = 0; probe < probes; probe++) {
    const v = Float32Array.from(x, () => source.normal())
    // What float32 really adds, not what was meant to be added.
    const [above, below] = [x.map((value, i) => value + step * (v[i] ?? 0)), x.map((value, i) => value - step * (v[i] ?? 0))] // prettier-ignore
    const [up, down] = [await map(above), await map(below)]
    for (let i = 0; i < x.length; i++) {
      const moved = ((above[i] ?? 0) - (below[i] ?? 0)) / (2 * step)
      difference += (((up[i] ?? NaN) - (down[i] ?? NaN)) / (2 * step) - moved) ** 2
      length += moved * moved
    }
  }
  return Math.sqrt(difference / length)
}

/** Blocks of the deeper half that do little beside the shallower half: Jacobian and angle both below `share` of its median (a first block
 *  can do a hundred times what the others do). */
export function ineffective(values: readonly ScoreValue[], share: number): string[] {
  const half = Math.ceil(values.length / 2)
  const median = (part: string) => {
    const sorted = values.slice(0, half).map(({ parts }) => parts?.[part] ?? 0).sort((x, y) => x - y) // prettier-ignore
    return ((sorted[(half - 1) >> 1] ?? 0) + (sorted[half >> 1] ?? 0)) / 2
  }
  const [jacobian, angle] = [median('Jacobian'), median('angle')]
  return values.slice(half).flatMap(({ key, parts }) => {
    const below = (parts?.Jacobian ?? 0) < share * jacobian && (parts?.angle ?? 0) < share * angle
    return below ? [key] : []
  })
}

const numbers = (keys: readonly string[]) => keys.map((key) => Number(key) + 1).join(', ')

export const depthDiagnostics = defineScore({
  id: 'depth',
  title: 'Depth diagnostics',
  summary:
    'Growth of variance, turn of the stream and distance of each block from doing nothing, over depth; flags deep blocks that do little.',
  cite: 'Sun et al. 2025, The Curse of Depth in Large Language Models, section 3; Li et al. 2024, Mix-LN; Gromov et al. 2024, The Unreasonable Ineffectiveness of the Deeper Layers, equation 2',
  formula: '|J - I|_F / sqrt(n) by central differences; var(out) / var(in); mean arccos(cos(in, out)) / pi',
  cost: 'one forward pass, and a few runs of each block on one batch',
  needs: ['activations'],
  version: 1,
  params: z.object({
    probes: z.int().min(1).max(64).default(2).describe('random directions in which a block is tried'),
    share: z.number().positive().max(1).default(0.5).describe('of the shallower half: a deep block below is flagged'),
  }),
  per: () => 'block',
  values(network) {
    const streams = streamsOf(network)
    if (streams.length > 0) return streams.flatMap(({ input, output }) => [input, output])
    throw new Fault('unsupported', `${network.name} has no blocks whose input and output could be compared.`, {
      hint: 'Use the score "zd", which needs weights only, or the measured sensitivity.',
      data: { file: network.path },
    })
  },
  start(network, { probes, share }) {
    const streams = streamsOf(network).map((stream) => ({ ...stream, before: new Moments(), after: new Moments(), sum: 0, count: 0 })) // prettier-ignore
    let first: { batch: Batch; inputs: Map<number, TensorValue> } | null = null
    return {
      see(values, batch) {
        const inputs = new Map<number, TensorValue>()
        for (const stream of streams) {
          const [x, y] = [values[stream.input], values[stream.output]]
          if (x === undefined || y === undefined || x.dims.join() !== y.dims.join()) continue
          const { sum, count } = sumOfAngles(x, y)
          stream.sum += sum
          stream.count += count
          stream.before.add(x.data as Float32Array)
          stream.after.add(y.data as Float32Array)
          inputs.set(stream.index, x)
        }
        first ??= { batch, inputs }
      },
      async finish({ device, context, seed }) {
        const values: ScoreValue[] = []
        for (const [position, { index, input, output, before, after, sum, count }] of streams.entries()) {
          const x = first?.inputs.get(index)
          if (first === null || x === undefined || count === 0) continue
          const { batch } = first
          const session = await openBlock(network, { input, output }, device, context.notify)
          try {
            const map = (data: Float32Array) => runBlock(session, batch, { ...x, data }, { input, output })
            const Jacobian = await identityDistance(x.data as Float32Array, map, { probes, seed: seed + index })
            const parts = { Jacobian, angle: sum / count, 'variance growth': after.variance / before.variance }
            values.push({ key: `${index}`, value: Jacobian, parts })
          } finally {
            await session.release()
          }
          context.progress({ fraction: (position + 1) / streams.length, step: `block ${index + 1}` })
        }
        return { values, notes: notesOf(streams, values, share) }
      },
    }
  },
})

function notesOf(streams: readonly Stream[], values: readonly ScoreValue[], share: number): string[] {
  const found = new Set(values.map(({ key }) => key))
  const silent = streams.map(({ index }) => `${index}`).filter((key) => !found.has(key))
  const flagged = ineffective(values, share)
  return [
    ...(silent.length > 0 ? [`Blocks ${numbers(silent)} change the shape of their input and have no figures.`] : []),
    flagged.length > 0
      ? `Deep blocks that do less than ${Math.round(100 * share)} % of what the shallower half does: ${numbers(flagged)}.`
      : 'No deep block does far less than the shallower half.',
  ]
}

function openBlock(
  network: Network,
  { input, output }: Omit<Stream, 'index'>,
  device: Parameters<typeof openSession>[2]['device'],
  notify: (notice: string) => void,
): Promise<Session> {
  if (network.graph === null) throw new Error('a network without a graph has no blocks')
  const graph = segment(network.graph, { inputs: [input], outputs: [output] })
  return openSession(graph, weightReader(network), { device }, notify)
}

async function runBlock(
  session: Session,
  batch: Batch,
  x: TensorValue,
  { input, output }: Omit<Stream, 'index'>,
): Promise<Float32Array> {
  const feeds = Object.fromEntries(session.inputNames.flatMap((name) => (batch.feeds[name] ? [[name, batch.feeds[name]]] : []))) // prettier-ignore
  return (await session.run({ ...feeds, [input]: x }, [output]))[output]?.data as Float32Array
}

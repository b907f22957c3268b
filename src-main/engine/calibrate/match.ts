// Layers that match what the original network gives, not what their own weights give on inputs that earlier layers changed.
//   Li et al. 2025, "GPTAQ: Efficient Finetuning-Free Quantization for Asymmetric Calibration", section 3: min ||Q x~ - W x||^2,
//   x of the original network, x~ of the one compressed so far. With H = E[x~ x~^T] and G = E[x x~^T] the sum is, but for a
//   constant, tr((T - Q) H (T - Q)^T) at T = W G H^-1: any method that takes a Hessian compresses T in the place of W.
// Calibration data is little, and a target that is solved for fits it far too well (mobilenet, 100 images: KL 0.002 on them,
// 0.060 on others). So it is a step from W that is damped and shortened, T = W + share (W (G - H) + R) (H + ridge I)^-1, with
// the ridge and the share that lose least on batches left out (cross-validation: Stone 1974, "Cross-validatory choice and
// assessment of statistical predictions"; of ridges: Golub, Heath and Wahba 1979). It costs a factorisation for each of four
// ridges and each part left out.
// Where an addition follows (a residual), its other side has an error, too: R = E[(s - s~) x~^T] has the layer make up for it.
// Where the layer has a bias, moments are about the means, and b' = b + W E[x] - Q E[x~] (Nagel et al. 2019, section 4.2).
// Not matched: grouped convolutions, experts, products from the left, weighted tokens. Batches with idle rows are left out.
import { weightReader } from '../checkpoint/weights.ts'
import type { Graph } from '../graph/ir.ts'
import { readsOf } from '../graph/scope.ts'
import { inverseFactor } from '../kernels/linear/factor.ts'
import { multiply } from '../kernels/linear/multiply.ts'
import { ridged } from '../kernels/linear/ridge.ts'
import type { Hessian } from '../kernels/linear/types.ts'
import type { WeightMatrix } from '../quantize/types.ts'
import { openSession } from '../runtime/session.ts'
import type { TensorValue } from '../runtime/types.ts'
import type { LayerInput } from './inputs.ts'
import { createMoments, type Fold, type Moments, momentsGraph } from './moments.ts'
import { type PieceRun, runBatches } from './run.ts'

const RIDGES = [0.003, 0.03, 0.3, 3] // shares of the mean input energy
const DAMPING = 0.01
const MOST_JUDGED = 256 // output channels that say how far to trust a target

/** Moments of a layer's inputs in both networks, about the means where it has a bias. */
export interface Match extends Moments {
  folds: readonly Fold[]
  bias: string | null // initializer that takes up the means
}

export const canMatch = ({ kind, groups, picked }: LayerInput): boolean =>
  groups === 1 && picked === null && kind !== 'turned'

interface Side {
  value: string // what a residual adds to the layer's output
}

/** What is added to a layer's output, where nothing of it comes from that output. */
function residualOf(graph: Graph, { node: user }: LayerInput): Side | null {
  const readers = (name: string) => graph.nodes.filter((each) => readsOf(each).includes(name))
  const [output = ''] = user.outputs
  let [at, own] = [readers(output), output]
  const [first] = at
  const constant = (name: string) => graph.initializers.has(name)
  if (at.length === 1 && first?.op === 'Add' && first.inputs.some(constant)) {
    own = first.outputs[0] ?? ''
    at = readers(own)
  }
  const [add, ...others] = at
  if (others.length > 0 || add?.op !== 'Add' || add.domain !== '') return null
  const value = add.inputs.find((name) => name !== own)
  if (value === undefined || constant(value)) return null
  const reached = new Set([output])
  for (const each of graph.nodes) if (readsOf(each).some((name) => reached.has(name))) for (const name of each.outputs) reached.add(name) // prettier-ignore
  return reached.has(value) ? null : { value }
}

/** Moments for each layer, from both networks run side by side on the calibration batches. */
export async function matchInputs(
  run: PieceRun,
  original: PieceRun,
  inputs: readonly LayerInput[],
  biases: ReadonlyMap<string, string>, // of layers, by weight
  progress: (samples: number) => void,
): Promise<Map<string, Match>> {
  const sums = await Promise.all(
    inputs.map((input) => openSums(run, input, residualOf(run.graph, input), biases.get(input.layer.name) ?? null)),
  )
  const wanted = [...new Set(sums.flatMap(({ input, side }) => [input.value, ...(side ? [side.value] : [])]))]
  const before = runBatches(original, run.graph, wanted)
  try {
    for await (const { index, values: now, batch, rows, done } of runBatches(run, run.graph, wanted)) {
      const { value } = await before.next()
      progress(done)
      if (rows.weights !== null || !value) continue
      const then = new Map([...Object.entries(batch.feeds), ...value.values])
      const since = new Map([...Object.entries(batch.feeds), ...now])
      for (const sum of sums) await sum.add(then, since, Math.floor(index / run.views))
    }
  } finally {
    await before.return(undefined)
    for (const { release } of sums) await release()
  }
  return new Map(
    sums.flatMap(({ input, finish }) => finish().map((match): [string, Match] => [input.layer.name, match])),
  )
}

async function openSums(run: PieceRun, input: LayerInput, side: Side | null, bias: string | null) {
  const graph = momentsGraph(run.graph, input, side !== null)
  const reader = weightReader({ ...run.network, graph })
  const session = await openSession(graph, reader, { device: run.device }, run.notify)
  const sums = createMoments(input.size, bias !== null)
  return {
    input,
    side,
    release: () => session.release(),
    async add(then: ReadonlyMap<string, TensorValue>, now: ReadonlyMap<string, TensorValue>, group: number) {
      const [x, y] = [then.get(input.value), now.get(input.value)]
      if (!x || !y) return
      const [s, t] = side ? [then.get(side.value), now.get(side.value)] : []
      sums.add(await session.run({ then: x, now: y, ...(s && t && { side: s, sideNow: t }) }), group)
    },
    /** Nothing where no batch could be used. */
    finish(): Match[] {
      const found = sums.finish()
      return found ? [{ ...found.all, folds: found.folds, bias }] : []
    },
  }
}

/** T of the head of this file: what is compressed in the place of the layer's weights. */
export async function targetOf(weights: WeightMatrix, match: Match, layer: string): Promise<WeightMatrix> {
  const { rows, cols } = weights
  const few = { hessian: ridged(match.hessian), ridge: DAMPING, share: 1 } // where nothing can be held out
  const { hessian, ridge, share } = match.folds.length > 0 ? await generalising(weights, match, layer) : few
  const step = await stepOf(await pullOf(weights, match), hessian, ridge, layer)
  return { data: weights.data.map((value, i) => value + share * (step[i] ?? 0)), rows, cols }
}

/** W (G - H) + R, [rows, cols]. */
function pullOf({ data, rows, cols }: WeightMatrix, { hessian, cross, rest }: Moments): Promise<Float32Array> {
  const difference = cross.map((value, i) => value - (hessian.data[i] ?? 0))
  return multiply({ a: data, b: difference, ...(rest && { c: rest }), m: rows, n: cols, k: cols })
}

/** Pull (H + ridge mean(diag H) I)^-1, of the pull's shape. */
async function stepOf(pull: Float32Array, hessian: Hessian, ridge: number, layer: string): Promise<Float32Array> {
  const factor = await inverseFactor(hessian, { damping: ridge, layer })
  const size = { m: pull.length / hessian.size, n: hessian.size, k: hessian.size }
  const half = await multiply({ a: pull, b: factor.data, ...size, transB: true })
  return multiply({ a: half, b: factor.data, ...size })
}

/** Ridge and share of the step that lose least on batches that the step was not made from: with step D of the other batches
 *  the error is D H D^T - 2 D (W (G - H) + R)^T of a fold's own, least at share = sum D P^T / sum D H D^T. */
async function generalising(
  weights: WeightMatrix,
  { folds, hessian, rest }: Match,
  layer: string,
): Promise<{ hessian: Hessian; ridge: number; share: number }> {
  const chosen = everyNth(weights.rows)
  const some = pickRows(weights, chosen)
  const part = (moments: Moments): Moments =>
    rest ? { ...moments, rest: pickRows({ ...weights, data: moments.rest ?? rest }, chosen).data } : moments
  const size = { m: some.rows, n: some.cols, k: some.cols }
  let best = { hessian, ridge: DAMPING, share: 0, error: Infinity }
  const sums = RIDGES.map((ridge) => ({ ridge, along: 0, square: 0 }))
  for (const fold of folds) {
    const [own, others] = [part(fold.own()), part(fold.others())]
    const [pull, pullOfOthers] = [await pullOf(some, own), await pullOf(some, others)]
    for (const sum of sums) {
      const step = await stepOf(pullOfOthers, others.hessian, sum.ridge, layer)
      const through = await multiply({ a: step, b: own.hessian.data, ...size })
      let [along, square] = [0, 0]
      for (let i = 0; i < step.length; i++) {
        along += (step[i] as number) * (pull[i] as number)
        square += (step[i] as number) * (through[i] as number)
      }
      sum.along += along * own.hessian.rows
      sum.square += square * own.hessian.rows
    }
  }
  for (const { ridge, along, square } of sums) {
    const share = square > 0 ? Math.min(1, Math.max(0, along / square)) : 0
    const error = share ** 2 * square - 2 * share * along
    if (error < best.error) best = { hessian, ridge, share, error }
  }
  return best
}

const everyNth = (rows: number): number[] => {
  const step = Math.ceil(rows / MOST_JUDGED)
  return Array.from({ length: Math.ceil(rows / step) }, (_, i) => i * step)
}

function pickRows({ data, cols }: WeightMatrix, chosen: readonly number[]): WeightMatrix {
  const picked = new Float32Array(chosen.length * cols)
  chosen.forEach((row, i) => picked.set(data.subarray(row * cols, (row + 1) * cols), i * cols))
  return { data: picked, rows: chosen.length, cols }
}

/** b' - b: W E[x] - Q E[x~], [rows]. */
export async function biasChange(
  { data, rows, cols }: WeightMatrix,
  compressed: WeightMatrix,
  { mean, meanNow }: Match,
): Promise<Float32Array> {
  const size = { m: rows, n: 1, k: cols }
  const wanted = await multiply({ a: data, b: mean, ...size })
  return multiply({ a: compressed.data, b: meanNow, c: wanted, alpha: -1, ...size })
}

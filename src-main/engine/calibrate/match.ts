// Layers that match what the original network gives, not what their own weights give on inputs that earlier layers changed.
//   Li et al. 2025, "GPTAQ: Efficient Finetuning-Free Quantization for Asymmetric Calibration", section 3: min ||Q x~ - W x||^2,
//   x of the original network, x~ of the one compressed so far. With H = E[x~ x~^T] and G = E[x x~^T] the sum is, but for a
//   constant, tr((T - Q) H (T - Q)^T) at T = W G H^-1: any method that takes a Hessian compresses T in the place of W.
// Here the pull back to W is damped, more where calibration rows are few:  T = W + (W (G - H) + R) (H + d I)^-1.
// Where an addition follows (a residual), its other side has an error, too: R = E[(s - s~) x~^T] has the layer make up for it.
// Where the layer has a bias, moments are about the means, and b' = b + W E[x] - Q E[x~] (Nagel et al. 2019, section 4.2).
// Not matched: grouped convolutions, experts, products from the left, weighted tokens. Batches with idle rows are left out.
import { weightReader } from '../checkpoint/weights.ts'
import { float32Tensor, int64Tensor } from '../graph/constants.ts'
import { type Graph, int, ints, type Node, node } from '../graph/ir.ts'
import { readsOf } from '../graph/scope.ts'
import { inverseFactor } from '../kernels/linear/factor.ts'
import { multiply } from '../kernels/linear/multiply.ts'
import { ridged } from '../kernels/linear/ridge.ts'
import type { Hessian } from '../kernels/linear/types.ts'
import type { WeightMatrix } from '../quantize/types.ts'
import { openSession } from '../runtime/session.ts'
import type { TensorValue } from '../runtime/types.ts'
import type { LayerInput } from './inputs.ts'
import { type PieceRun, runBatches } from './run.ts'

const DAMPING = 0.01

/** Moments of a layer's inputs in both networks, about the means where `centred`. */
export interface Match {
  hessian: Hessian // of the compressed network's
  cross: Float32Array // E[x x~^T], [size, size]
  rest: Float32Array | null // E[(s - s~) x~^T], [rows, size]
  mean: Float32Array // E[x]
  meanNow: Float32Array // E[x~]
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
    for await (const { values: now, batch, rows, done } of runBatches(run, run.graph, wanted)) {
      const { value } = await before.next()
      progress(done)
      if (rows.weights !== null || !value) continue
      const then = new Map([...Object.entries(batch.feeds), ...value.values])
      const since = new Map([...Object.entries(batch.feeds), ...now])
      for (const sum of sums) await sum.add(then, since)
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
  const { size } = input
  const graph = momentsGraph(run.graph, input, side !== null)
  const reader = weightReader({ ...run.network, graph })
  const session = await openSession(graph, reader, { device: run.device }, run.notify)
  const found = new Map(graph.outputs.map(({ name }) => [name, new Float64Array(0)]))
  return {
    input,
    side,
    release: () => session.release(),
    async add(then: ReadonlyMap<string, TensorValue>, now: ReadonlyMap<string, TensorValue>) {
      const [x, y] = [then.get(input.value), now.get(input.value)]
      if (!x || !y) return
      const [s, t] = side ? [then.get(side.value), now.get(side.value)] : []
      const values = await session.run({ then: x, now: y, ...(s && t && { side: s, sideNow: t }) })
      for (const [name, sum] of found) {
        const data = values[name]?.data ?? []
        const total = sum.length === 0 ? new Float64Array(data.length) : sum
        for (let i = 0; i < data.length; i++) total[i] = (total[i] as number) + Number(data[i])
        found.set(name, total)
      }
    },
    /** Nothing where no batch could be used. */
    finish(): Match[] {
      const centred = bias !== null
      const rows = (found.get('count')?.[0] ?? 0) / size
      if (!(rows > 0)) return []
      const mean = (name: string) => (found.get(name) ?? new Float64Array()).map((sum) => sum / rows)
      const [m, n] = [mean('mean'), mean('meanNow')]
      const about = (name: string, left: Float64Array) =>
        Float32Array.from(mean(name), (value, i) =>
          centred ? value - (left[Math.floor(i / size)] ?? 0) * (n[i % size] ?? 0) : value,
        )
      const data = about('hessian', n)
      for (let i = 0; i < size; i++) data[i * (size + 1)] = Math.max(0, data[i * (size + 1)] ?? 0)
      const rest = side ? about('rest', mean('restMean')) : null
      const hessian = { size, data, rows }
      return [{ hessian, cross: about('cross', m), rest, mean: Float32Array.from(m), meanNow: Float32Array.from(n), bias: centred ? bias : null }] // prettier-ignore
    },
  }
}

/** Sums over rows: x~ x~^T, x x~^T, x, x~, and (s - s~) x~^T with s - s~. Images are unfolded by a convolution whose kernel
 *  copies each place, as in watch.ts. */
function momentsGraph(graph: Graph, { node: user, layer, size, kind, rank }: LayerInput, hasSide: boolean): Graph {
  const nodes: Node[] = []
  const initializers = new Map([
    ['columns', int64Tensor('columns', [size, -1])],
    ['rows', int64Tensor('rows', [-1, size])],
    ['first', int64Tensor('first', [0])],
    ['sides', int64Tensor('sides', [layer.rows, -1])],
    ['sideRows', int64Tensor('sideRows', [-1, layer.rows])],
  ])
  const step = (op: string, inputs: string[], output: string, attributes = {}) =>
    void nodes.push(node(op, inputs, [output], attributes))
  const channelsFirst = ints([1, 0, ...Array.from({ length: Math.max(0, rank - 2) }, (_, i) => i + 2)])
  const places = layer.shape.slice(2).reduce((product, length) => product * length, 1)
  if (kind === 'unfolded') {
    const kernel = Array.from({ length: size * places }, (_, i) =>
      Number(i % places === Math.floor(i / places) % places),
    )
    initializers.set('kernel', float32Tensor('kernel', kernel, [size, 1, ...layer.shape.slice(2)]))
  }
  const attributes = Object.fromEntries(
    [...user.attributes].filter(([key]) => /^(auto_pad|dilations|kernel_shape|pads|strides)$/.test(key)),
  )
  const columns = (from: string, to: string) => {
    if (kind === 'unfolded') {
      step('Conv', [from, 'kernel'], `${to}.unfolded`, { ...attributes, group: int(size / places) })
      step('Transpose', [`${to}.unfolded`], `${to}.turned`, { perm: channelsFirst })
      step('Reshape', [`${to}.turned`, 'columns'], to)
    } else {
      step('Reshape', [from, 'rows'], `${to}.rows`)
      step('Transpose', [`${to}.rows`], to, { perm: ints([1, 0]) })
    }
  }
  columns('then', 'x')
  columns('now', 'y')
  step('Transpose', ['y'], 'yT', { perm: ints([1, 0]) })
  // Sums are products with ones [rows, 1]: the same in every opset.
  step('Gather', ['yT', 'first'], 'column', { axis: int(1) })
  step('Equal', ['column', 'column'], 'same')
  step('Cast', ['same'], 'ones', { to: int(1) })
  const sum = (from: string, to: string) => step('MatMul', [from, 'ones'], to)
  step('MatMul', ['y', 'yT'], 'hessian')
  step('MatMul', ['x', 'yT'], 'cross')
  sum('x', 'mean')
  sum('y', 'meanNow')
  step('Size', ['y'], 'count')
  const outputs = ['hessian', 'cross', 'mean', 'meanNow', 'count']
  if (hasSide) {
    step('Sub', ['side', 'sideNow'], 'difference')
    if (kind === 'unfolded') {
      step('Transpose', ['difference'], 'difference.turned', { perm: channelsFirst })
      step('Reshape', ['difference.turned', 'sides'], 'd')
    } else {
      step('Reshape', ['difference', 'sideRows'], 'difference.rows')
      step('Transpose', ['difference.rows'], 'd', { perm: ints([1, 0]) })
    }
    step('MatMul', ['d', 'yT'], 'rest')
    sum('d', 'restMean')
    outputs.push('rest', 'restMean')
  }
  const free = (name: string) => ({ name, dtype: 'float32' as const, shape: null })
  const shape = kind === 'unfolded' ? Array.from({ length: rank }, () => null) : null
  return {
    ...graph,
    ...{ nodes, initializers, values: new Map(), functions: [] },
    inputs: ['then', 'now', ...(hasSide ? ['side', 'sideNow'] : [])].map((name) => ({ ...free(name), shape })),
    outputs: outputs.map((name) => ({
      ...free(name),
      dtype: name === 'count' ? ('int64' as const) : ('float32' as const),
    })),
  }
}

/** T of the head of this file: what is compressed in the place of the layer's weights. */
export async function targetOf({ data, rows, cols }: WeightMatrix, match: Match, layer: string): Promise<WeightMatrix> {
  const { hessian, cross, rest } = match
  const difference = cross.map((value, i) => value - (hessian.data[i] ?? 0))
  const factor = await inverseFactor(ridged(hessian), { damping: DAMPING, layer })
  const size = { m: rows, n: cols, k: cols }
  const pull = await multiply({ a: data, b: difference, ...(rest && { c: rest }), ...size })
  const half = await multiply({ a: pull, b: factor.data, ...size, transB: true })
  return { data: await multiply({ a: half, b: factor.data, c: data, ...size }), rows, cols }
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

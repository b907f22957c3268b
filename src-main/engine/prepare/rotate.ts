// Rotation of the residual stream, folded into the weights.
//   Ashkboos et al. 2024, "QuaRot: Outlier-Free 4-Bit Inference in Rotated LLMs", section 4, stage 1a, b (weights only);
//   Sung et al. 2025, "RSQ: Learning from Important Tokens Leads to Better Quantized LLMs", section 3 (its first step)
//   h' = Q h:  W_out' = Q W_out,  W_in' = W_in diag(gain) Q^T,  gain' = 1;  Q random and orthogonal (orthogonal.ts)
//   heads:     W_v' = (I kron Q_h) W_v,  W_o' = W_o (I kron Q_h)^T, since attention mixes tokens, not channels of a head
// RMSNorm without gain commutes with every Q, LayerNorm with those that keep the mean. A shift of LayerNorm goes into the
// next biases, b' = b + W shift; where a reader has none it stays one, turned: shift' = Q (shift / gain).
// Cost: one fast transform of each weight when it is read. Needs weights only.
import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Network } from '../checkpoint/network.ts'
import { hadamardBlock } from '../kernels/hadamard.ts'
import { definePreparation } from './define.ts'
import { findValuePaths, headRuns, type ValuePath } from './attention.ts'
import { type Linear, type Wiring, wiringOf } from './linears.ts'
import { type Orthogonal, orthogonalOf } from './orthogonal.ts'
import { Rewriting, type Runnable } from './rewriting.ts'
import { findStream, type Stream, Unfit } from './stream.ts'
import { axisOf, contractTensor } from './tensors.ts'

const params = z.object({
  stream: z.boolean().default(true).describe('Turn the hidden state that runs through all blocks'),
  heads: z.boolean().default(true).describe('Turn values within each attention head, where that is exact'),
  block: z
    .int()
    .min(0)
    .default(0)
    .describe(
      'Most channels of the hidden state that are mixed with each other; 0: all of them, where there is a matrix',
    ),
})
type Parameters = z.output<typeof params>

export const rotate = definePreparation({
  id: 'rotate',
  family: 'prepare',
  title: 'Rotate (QuaRot, RSQ)',
  summary: 'Mixes the channels of the hidden state by an orthogonal matrix, so that no weight or activation stands out',
  cite: 'Ashkboos et al. 2024, QuaRot, section 4; Sung et al. 2025, RSQ, section 3',
  formula: "h' = Q h, W_out' = Q W_out, W_in' = W_in diag(gain) Q^T, Q = H D / sqrt(n)",
  cost: 'O(n log n) for each row of a weight, when it is read',
  needs: ['weights'],
  version: 1,
  params,
  refuses(network, parameters) {
    try {
      planOf(network, parameters)
      return null
    } catch (error) {
      if (error instanceof Unfit) return error.message
      throw error
    }
  },
  apply(network, parameters, { seed }) {
    const { runnable, wiring, stream, paths } = planOf(network, parameters)
    const rewriting = new Rewriting(runnable)
    if (stream) {
      const mean = stream.norms.some(({ norm }) => norm.kind === 'layer')
      turnStream(rewriting, stream, orthogonalOf(stream.width, seed, mean, parameters.block || stream.width))
    }
    for (const [index, path] of paths.entries()) turnHeads(rewriting, wiring, path, seed + 1 + index)
    return rewriting.finish()
  },
})

interface Plan {
  runnable: Runnable
  wiring: Wiring
  stream: Stream | null
  paths: ValuePath[]
}

/** Faults with `Unfit` where the network has nothing that can be turned as asked. */
function planOf(network: Network, { stream, heads, block }: Parameters): Plan {
  const { graph } = network
  if (graph === null) throw new Unfit('it holds tensors only, without a graph')
  const wiring = wiringOf(graph)
  const paths = heads ? findValuePaths(wiring) : []
  if (!stream && paths.length === 0) throw new Unfit('it has no attention heads, and nothing else is to be turned')
  return { runnable: { ...network, graph }, wiring, stream: stream ? streamOf(wiring, block) : null, paths }
}

function streamOf(wiring: Wiring, block: number): Stream {
  const stream = findStream(wiring)
  if (hadamardBlock(stream.width, block || stream.width) < 2)
    throw new Unfit(`its ${stream.width} channels have no Hadamard matrix, nor have blocks of them`)
  checkUses(wiring, stream)
  return stream
}

/** Every use of a weight of the stream is one of those that turn with it. */
function checkUses(wiring: Wiring, { writers, norms, readers }: Stream): void {
  const known = new Map<string, Set<unknown>>()
  const note = (tensor: string, node: unknown) => known.set(tensor, (known.get(tensor) ?? new Set()).add(node))
  for (const { tensor, node } of writers) note(tensor, node)
  for (const linear of [...readers, ...norms.flatMap((each) => each.readers)]) {
    note(linear.weight, linear.node)
    if (linear.bias !== null) for (const { node } of wiring.uses.of(linear.bias)) note(linear.bias, node)
  }
  for (const { norm } of norms)
    for (const tensor of [norm.gain?.tensor, norm.shift]) if (tensor) for (const node of norm.nodes) note(tensor, node)
  for (const [tensor, nodes] of known)
    for (const { node } of wiring.uses.of(tensor))
      if (!nodes.has(node))
        throw new Unfit(`${tensor} is also used by ${node.op} ${node.name}, apart from its hidden state`)
}

function turnStream(rewriting: Rewriting, stream: Stream, by: Orthogonal): void {
  const turn = (tensor: string, axis: number) => {
    const along = axisOf(rewriting.shape(tensor), axis)
    rewriting.step(tensor, { kind: 'turn', axis: along, begin: 0, end: along.size, by })
  }
  const written = new Set(stream.writers.map(({ tensor }) => tensor))
  for (const tensor of written) turn(tensor, stream.writers.find((each) => each.tensor === tensor)?.axis ?? 0)
  const gains = gainsOf(rewriting, stream)
  for (const { norm, readers } of stream.norms) {
    const gain = gains.get(norm.gain?.tensor ?? '') ?? null
    const shared = readers.filter(({ weight }) => written.has(weight))
    const uniform = gain === null || gain.every((value) => value === gain[0])
    // A norm with one gain for all channels keeps it; its readers may then stay one with the embedding.
    const folds = gain !== null && !(uniform && shared.length > 0) && !isOne(gain)
    const own = new Map(shared.map((reader) => [reader, folds ? rewriting.separate(reader.weight, reader.node) : null]))
    foldShift(rewriting, norm, readers, gain, by)
    for (const reader of distinct(readers)) {
      const weight = own.get(reader) ?? reader.weight
      if (own.get(reader) === null) continue // turned as a writer already
      const axis = axisOf(rewriting.shape(weight), 1 - reader.rows)
      if (folds) rewriting.step(weight, { kind: 'scale', axis, factors: () => gain })
      rewriting.step(weight, { kind: 'turn', axis, begin: 0, end: axis.size, by })
    }
    if (folds && norm.gain) rewriting.step(norm.gain.tensor, { kind: 'fill', value: 1 - norm.gain.plus })
  }
  for (const reader of distinct(stream.readers)) turn(reader.weight, 1 - reader.rows)
}

const isOne = (gain: Float32Array) => gain.every((value) => value === 1)
const distinct = (readers: readonly Linear[]) => [...new Map(readers.map((each) => [each.weight, each])).values()]

/** What the norms multiply with, by tensor. */
function gainsOf(rewriting: Rewriting, { norms }: Stream): Map<string, Float32Array> {
  return new Map(
    norms.flatMap(({ norm: { gain } }) =>
      gain ? [[gain.tensor, rewriting.vector(gain.tensor).map((value) => value + gain.plus)] as const] : [],
    ),
  )
}

function foldShift(
  rewriting: Rewriting,
  norm: Stream['norms'][number]['norm'],
  readers: readonly Linear[],
  gain: Float32Array | null,
  by: Orthogonal,
): void {
  const { shift } = norm
  if (shift === null) return
  const values = rewriting.vector(shift)
  if (values.every((value) => value === 0)) return
  if (readers.every(({ bias }) => bias !== null)) {
    rewriting.step(shift, { kind: 'fill', value: 0 })
    for (const { weight, bias, rows } of distinct(readers)) {
      const axis = axisOf(rewriting.shape(weight), 1 - rows)
      const read = rewriting.read(weight)
      rewriting.step(bias ?? '', { kind: 'add', values: () => contractTensor(read, axis, values) })
    }
    return
  }
  const folded = values.map((value, i) => value / (gain?.[i] ?? 1))
  if (!folded.every(Number.isFinite))
    throw new Fault('unsupported', `${shift}: a channel is shifted that ${norm.gain?.tensor} multiplies by 0.`, {
      hint: 'The network cannot be rotated: a linear layer behind this norm has no bias that could take the shift.',
      data: { tensor: shift },
    })
  by.apply(folded, 1)
  rewriting.step(shift, { kind: 'fill', value: 0 })
  rewriting.step(shift, { kind: 'add', values: () => folded })
}

/** Values within each head, and back where they are read. */
function turnHeads(rewriting: Rewriting, wiring: Wiring, path: ValuePath, seed: number): void {
  const { size, values, rows, reader, columns } = path
  if (hadamardBlock(size) < 2) return
  // Every head is turned by the same matrix, so it does not matter which one an input reads.
  const within = columns.every((channel, i) => channel % size === i % size)
  const runs = headRuns(rows, size)
  const once = (tensor: string) => new Set(wiring.uses.of(tensor).map(({ node }) => node)).size === 1
  if (!within || !runs || ![values.weight, values.bias, reader.weight].every((name) => name === null || once(name)))
    return
  const by = orthogonalOf(size, seed, false)
  const turn = (tensor: string, axis: number, begin: number, end: number) =>
    rewriting.step(tensor, { kind: 'turn', axis: axisOf(rewriting.shape(tensor), axis), begin, end, by })
  for (const { begin, end } of runs) {
    turn(values.weight, values.rows, begin, end)
    if (values.bias !== null) turn(values.bias, rewriting.shape(values.bias).length - 1, begin, end)
  }
  turn(reader.weight, 1 - reader.rows, 0, reader.inputs)
}

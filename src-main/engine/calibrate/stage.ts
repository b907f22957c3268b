// Hessians of a stage: layers that share an input, from activations that all compressed layers before it give.
import type { TokenWeighting } from '../quantize/define.ts'
import type { Hessian } from '../kernels/linear/types.ts'
import { idsOf, type BlockView, weighTokens } from './tokens/weigh.ts'
import { attentionValues } from './tokens/concentration.ts'
import type { LayerInput } from './inputs.ts'
import { layersOf } from './layout.ts'
import type { RowWeights } from './rows.ts'
import { type PieceRun, runBatches } from './run.ts'
import { createSums } from './sums.ts'
import { watch } from './watch.ts'
import { batchesOf } from './batches.ts'
import { segment } from '../graph/segment.ts'
import { flowOf } from '../probe/flow.ts'

export interface Wanted {
  input: LayerInput
  weighting: TokenWeighting | null
}

/** Row weights of every batch, by strategy; null where tokens weigh alike. */
export type TokenWeights = ReadonlyMap<string, readonly RowWeights[] | null>

export const weightingKey = (weighting: TokenWeighting | null): string =>
  weighting === null ? '' : JSON.stringify([weighting.strategy, Object.entries(weighting.parameters).sort()])

/** Hessians for each wanted input: the result's keys are those of `hessianKey`. */
export async function stageHessians(
  run: PieceRun,
  wanted: readonly Wanted[],
  tokens: TokenWeights,
  progress: (samples: number) => void,
): Promise<Map<string, Hessian[]>> {
  const { network, device } = run
  const { graph, watched } = watch(
    run.graph,
    wanted.map(({ input }) => input),
  )
  const weightings = new Set(wanted.map(({ weighting }) => weightingKey(weighting)))
  const sums = watched.flatMap((each) =>
    [...weightings].map((key) => ({ key, each, sum: createSums(each, network.name, device) })),
  )
  const outputs = watched
    .flatMap(({ output, count, picked }) => [output, count, picked])
    .filter((name) => name !== null)
  for await (const { index, batch, rows, values, done } of runBatches(run, graph, outputs)) {
    const found = Object.fromEntries(values)
    for (const { key, sum } of sums) await sum.add(found, tokens.get(key)?.[index] ?? rows, batch.size)
    progress(done)
  }
  return new Map(sums.map(({ key, each, sum }) => [`${key} ${each.key}`, sum.finish()]))
}

export const hessianKey = ({ input, weighting }: Wanted): string => `${weightingKey(weighting)} ${input.key}`

/** How tokens weigh in a piece, from its original weights on the activations before it. */
export async function weighPiece(run: PieceRun, weightings: readonly TokenWeighting[]): Promise<TokenWeights> {
  const { network, graph, piece, dataset, samples } = run
  const distinct = new Map(weightings.map((weighting) => [weightingKey(weighting), weighting]))
  const weights = new Map<string, RowWeights[] | null>()
  for (const key of distinct.keys()) weights.set(key, [])
  if (distinct.size === 0) return weights
  const counts = new Map<number, number>()
  for await (const batch of batchesOf(network, dataset, samples))
    for (const id of idsOf(batch) ?? []) counts.set(id, (counts.get(id) ?? 0) + 1)
  const seen = seenIn(run)
  for await (const { batch, rows, values } of runBatches(run, graph, seen.all)) {
    const view: BlockView = {
      input: values.get(seen.input ?? '') ?? null,
      output: values.get(seen.output ?? '') ?? null,
      attention: seen.attention.flatMap((name) => values.get(name) ?? []),
    }
    for (const [key, weighting] of distinct) {
      const list = weights.get(key)
      const found = list && weighTokens(weighting, batch, rows, view, counts)
      if (found) list.push(found)
      else weights.set(key, null)
    }
  }
  for (const [key, { strategy }] of distinct)
    if (weights.get(key) === null && piece.block !== null)
      run.notify(
        `${piece.name}: the token strategy "${strategy}" finds nothing to look at there; all tokens weigh alike.`,
      )
  return weights
}

/** What can be looked at in a piece: what enters and leaves its block, and the attention inside. */
function seenIn({ network, graph, piece }: PieceRun) {
  const flow = flowOf(network).find(({ index }) => index === piece.block)
  const [only, more] = piece.border
  const input = flow?.input ?? (more === undefined ? (only ?? null) : null)
  const output = flow?.output ?? null
  const inputs = piece.stages.flatMap(({ layers }) => layers.flatMap((each) => each.input?.value ?? []))
  const ends = output === null ? inputs : [output, ...inputs]
  const positions = layersOf(piece).map(({ position }) => position)
  const own = new Set(
    graph.nodes.slice(Math.min(...positions), Math.max(...positions)).flatMap(({ outputs }) => outputs),
  )
  const found = ends.length === 0 ? [] : attentionValues(segment(graph, { inputs: piece.border, outputs: ends }))
  const attention = found.filter((name) => own.has(name))
  const all = [input, output, ...attention].filter((name) => name !== null)
  return { input, output, attention, all }
}

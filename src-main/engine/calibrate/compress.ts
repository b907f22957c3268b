// One piece of a calibrated run, truly sequential.
//   Frantar et al. 2022, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", section 4:
//   "layer inputs from the already partially quantized" model; --true-sequential of its code within a block.
//   for each stage (layers that share an input):  H = mean x x^T over rows x of the compressed layers before;  codes of its
//   layers;  from then on they run compressed.  Behind the last stage: the activations for the next piece.
// Memory: the piece's weights, one stage's Hessians, one batch of activations.
import { Fault } from '../../../src-preload/contract/fault.ts'
import { isWeighted, type Option } from '../../../src-preload/contract/plan.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import { toFloat32 } from '../checkpoint/convert.ts'
import type { Network } from '../checkpoint/network.ts'
import { readFloat32, readMatrix, toMemoryOrder, weightRows } from '../checkpoint/weights.ts'
import type { Dataset } from '../data/types.ts'
import type { Importance } from '../export/define.ts'
import type { Hessian } from '../kernels/linear/types.ts'
import type { Artifact, TaskContext, TaskResult } from '../protocol.ts'
import { writeArtifact } from '../quantize/artifact.ts'
import type { QuantizeContext } from '../quantize/define.ts'
import { dequantize, weightError } from '../quantize/dequantize.ts'
import { applyOption, keepOption, quantizerOf } from '../quantize/options.ts'
import { batchSizeOf, samplesOf } from './batches.ts'
import { releaseMemory } from './garbage.ts'
import { diagonalOf, identityHessian, looksAtInputs, needsHessian, plainOf, weightingOf } from './choose.ts'
import { graphOf } from './collect.ts'
import { layersOf, layoutOf, type Piece, type PlacedLayer, type Stage } from './layout.ts'
import { createMeter, type Meter } from './meter.ts'
import { biasChange, canMatch, type Match, matchInputs, targetOf } from './match.ts'
import { viewsOf, withMirrored } from './mirrored.ts'
import { type PieceRun, runBatches } from './run.ts'
import { hessianKey, stageHessians, type TokenWeights, weighPiece } from './stage.ts'
import { openState, type State, type StateOwner, writeState } from './state.ts'
import { codesWork, forwardWork, hessianWork } from './work.ts'

export interface PieceArguments {
  network: Network
  dataset: Dataset
  piece: number
  layers: readonly { name: string; option: Option }[]
  samples: number
  seed: number
  device: DeviceId
  folder: string
  state: string | null
  importance: Importance | null
  /** Layers match what the original network gives (match.ts). By weight: biases that take up their means, and that whoever
   *  uses the artifacts sets right again, as bias correction does. Absent: each its own weights. */
  matching?: ReadonlyMap<string, string> | null
}

/** Compresses the piece's layers and hands on the activations behind it; see the protocol. */
export async function compressPieceOf(
  args: PieceArguments,
  context: TaskContext,
): Promise<TaskResult<'compressPiece'>> {
  const { network, device, folder } = args
  const notices: string[] = []
  const notify = (notice: string) => void (notices.includes(notice) || notices.push(notice))
  const graph = graphOf(network)
  const layout = layoutOf(network, graph)
  const piece = layout[args.piece]
  if (!piece)
    throw new Fault('bad-arguments', `${network.name} has no piece ${args.piece}.`, {
      data: { field: 'piece', expected: `0 to ${layout.length - 1}`, found: `${args.piece}` },
    })
  const options = optionsOf(args, piece)
  const samples = samplesOf(args.dataset, args.samples, notify)
  const views = args.matching ? viewsOf(network, args.dataset) : 1
  const dataset = views > 1 ? withMirrored(network, args.dataset) : args.dataset
  const owner = (index: number): StateOwner => ({
    network: network.fingerprint,
    data: dataset.fingerprint,
    samples: samples * views,
    batchSize: batchSizeOf(network),
    piece: index,
  })
  const state = openBefore(args, owner(piece.index))
  try {
    const weights = state?.weights() ?? new Map<string, Float32Array>()
    const run: PieceRun = {
      network,
      graph,
      dataset,
      samples: samples * views,
      views,
      device,
      piece,
      state,
      weights,
      notify,
    }
    const original = args.matching ? originalOf(run) : null
    const next = layout[piece.index + 1]
    const meter = createMeter(plannedWork(run, options, next !== undefined), context, labelOf(piece))
    const tokens = await weighPiece(run, weightingsOf(piece, options))
    const artifacts = new Map<string, Artifact>()
    for (const [at, stage] of piece.stages.entries()) {
      const how = { tokens, meter, importance: args.importance, original, biases: args.matching ?? new Map() }
      const seen = await hessiansOf(run, stage, options, how)
      for (const placed of stage.layers) {
        const option = options.get(placed.layer.name)
        if (option === undefined) continue
        const { hessians = null, match = null } = seen.get(placed.layer.name) ?? {}
        releaseMemory()
        const made = await compressLayer(run, { ...args, placed, option, hessians, match, meter })
        artifacts.set(placed.layer.name, made.artifact)
        if (next !== undefined || at < piece.stages.length - 1) weights.set(placed.layer.name, made.weights())
      }
    }
    releaseMemory()
    const made = next === undefined ? null : await handOn(run, original, next, folder, owner(next.index), meter)
    meter.finish()
    const ordered = args.layers.flatMap(({ name }) => artifacts.get(name) ?? [])
    return { artifacts: ordered, state: made, samples, notices }
  } finally {
    state?.close()
    releaseMemory()
  }
}

const labelOf = ({ block, name }: Piece): string => (block === null ? name : `block ${block}`)
const shortName = (layer: string): string =>
  layer
    .replace(/[./]weight$/, '')
    .split(/[./]/)
    .at(-1) ?? layer

function optionsOf({ layers, network }: PieceArguments, piece: Piece): Map<string, Option> {
  const own = new Set(layersOf(piece).map(({ layer }) => layer.name))
  const options = new Map<string, Option>()
  for (const { name, option } of layers) {
    if (!own.has(name) || options.has(name))
      throw new Fault('bad-arguments', `${name} is no layer of "${piece.name}", or is named twice.`, {
        data: { file: network.path, tensor: name, expected: [...own].join(', ').slice(0, 500) },
      })
    quantizerOf(option, name)
    options.set(name, option)
  }
  return options
}

function openBefore({ state, piece }: PieceArguments, owner: StateOwner): State | null {
  if ((state === null) === (piece === 0)) return state === null ? null : openState(state, owner)
  throw new Fault('bad-arguments', `Piece ${piece} ${piece === 0 ? 'begins at the inputs' : 'needs activations'}.`, {
    hint: 'Each piece but the first takes the state that the piece before it gave.',
    data: { field: 'state', expected: piece === 0 ? 'null' : 'a file', found: String(state) },
  })
}

const weightingsOf = (piece: Piece, options: ReadonlyMap<string, Option>) =>
  layersOf(piece).flatMap(({ layer, input }) => {
    const option = options.get(layer.name)
    return option && input ? (weightingOf(option, layer.name) ?? []) : []
  })

/** What of the stage has to be measured, by layer. */
const measuredOf = (stage: Stage, options: ReadonlyMap<string, Option>, importance: Importance | null) =>
  stage.layers.flatMap(({ layer, input }) => {
    const option = options.get(layer.name)
    if (!option || !input || !looksAtInputs(option, layer.name)) return []
    if (!needsHessian(option, layer.name) && importance?.(layer.name)) return []
    return [{ layer, input, weighting: weightingOf(option, layer.name) }]
  })

interface Seen {
  hessians: Hessian[]
  match: Match | null
}

async function hessiansOf(
  run: PieceRun,
  stage: Stage,
  options: ReadonlyMap<string, Option>,
  how: {
    tokens: TokenWeights
    meter: Meter
    importance: Importance | null
    original: PieceRun | null
    biases: ReadonlyMap<string, string>
  },
): Promise<Map<string, Seen>> {
  const wanted = measuredOf(stage, options, how.importance)
  if (wanted.length === 0) return new Map()
  const { original, biases, tokens, meter } = how
  const report = meter.begin(`Hessian of ${wanted.map(({ layer }) => shortName(layer.name)).join(', ')}`, run.samples)
  const matchable = ({ layer, input, weighting }: (typeof wanted)[number]) =>
    original !== null &&
    weighting === null &&
    canMatch(input) &&
    needsHessian(optionOf(options, layer.name), layer.name)
  const inputs = wanted.filter(matchable).map(({ input }) => input)
  const matches = original && inputs.length > 0 ? await matchInputs(run, original, inputs, biases, report) : new Map<string, Match>() // prettier-ignore
  const others = wanted.filter(({ layer }) => !matches.has(layer.name))
  const found = others.length > 0 ? await stageHessians(run, others, tokens, report) : new Map<string, Hessian[]>()
  meter.end()
  return new Map(
    wanted.map((each): [string, Seen] => {
      const match = matches.get(each.layer.name) ?? null
      return [each.layer.name, { match, hessians: match ? [match.hessian] : (found.get(hessianKey(each)) ?? []) }]
    }),
  )
}

const optionOf = (options: ReadonlyMap<string, Option>, layer: string): Option => options.get(layer) ?? keepOption

/** The same piece of the network as it was, from its own activations at the border. */
function originalOf(run: PieceRun): PieceRun {
  const { state } = run
  const own = state && {
    ...state,
    batch: (index: number) =>
      new Map([...state.batch(index)].flatMap(([name, value]) => name.startsWith(ORIGINAL) ? [[name.slice(ORIGINAL.length), value] as const] : [])), // prettier-ignore
  }
  return { ...run, state: own, weights: new Map() }
}

const ORIGINAL = 'original: ' // before names of a state's values

interface LayerTask {
  placed: PlacedLayer
  option: Option
  hessians: Hessian[] | null
  match: Match | null
  meter: Meter
  seed: number
  folder: string
  importance: Importance | null
}

async function compressLayer(run: PieceRun, task: LayerTask) {
  const { placed, option, meter, folder } = task
  const { layer } = placed
  const report = meter.begin(shortName(layer.name), 1)
  const { chosen, context } = contextOf(run, task)
  const source = weightRows(run.network, layer)
  const { match } = task
  const plain = match && readMatrix(run.network, layer)
  const wanted = match && plain ? await targetOf(plain, match, layer.name) : source
  const quantized = await applyOption(wanted, chosen, { ...context, progress: (fraction) => report(fraction * 0.95) })
  const { relative } = weightError(source, quantized)
  const methodVersion = quantizerOf(option, layer.name).version
  const written = writeArtifact(folder, quantized, { layer: layer.name, option, methodVersion })
  meter.end()
  const artifact: Artifact = { layer: layer.name, option, ...written, relativeError: relative }
  if (match?.bias && plain) {
    const bias = vectorOf(run, match.bias)
    const change = await biasChange(plain, dequantize(quantized), match)
    run.weights.set(match.bias, bias.map((value, row) => value + (change[row] ?? 0))) // prettier-ignore
  }
  return { artifact, weights: () => toMemoryOrder(layer, dequantize(quantized)) }
}

function vectorOf({ graph, network }: PieceRun, name: string): Float32Array {
  const found = graph.initializers.get(name)
  if (found && 'inline' in found.data) return toFloat32(found.data.inline, found.dtype)
  return readFloat32(network, found && 'source' in found.data ? found.data.source : name)
}

/** The option that is really carried out and what it is told. */
function contextOf(run: PieceRun, { placed, option, hessians, seed, importance }: LayerTask) {
  const { layer } = placed
  const context: QuantizeContext = { layer: layer.name, seed, device: run.device, notify: run.notify }
  const known = hessians?.every(({ rows }) => rows > 0) === true && hessians.length > 0 ? hessians : null
  const fewest = Math.min(...(known ?? []).map(({ rows }) => rows))
  const size = known?.[0]?.size ?? 0
  if (needsHessian(option, layer.name) && known && fewest < size)
    run.notify(`${layer.name}: ${fewest} calibration rows for ${size} inputs; damping stands in for the rest.`)
  if (!needsHessian(option, layer.name)) {
    if (!isWeighted(option)) return { chosen: option, context }
    const weights = importance?.(layer.name) ?? (known ? diagonalOf(known) : undefined)
    return { chosen: option, context: weights ? { ...context, importance: weights } : context }
  }
  if (known) return { chosen: option, context: { ...context, hessians: known, importance: diagonalOf(known) } }
  const plain = plainOf(option)
  const why = placed.input === null ? 'no matrix of inputs can be measured for it' : 'no calibration row came to it'
  run.notify(`${layer.name}: ${why}; ${plain ? `rounded by ${plain.method}` : 'its inputs weigh alike'}.`)
  if (plain) return { chosen: plain, context }
  return { chosen: option, context: { ...context, hessians: [identityHessian(layer)] } }
}

/** Runs the compressed piece and keeps what the next one begins from. */
async function handOn(
  run: PieceRun,
  original: PieceRun | null,
  next: Piece,
  folder: string,
  owner: StateOwner,
  meter: Meter,
) {
  const writer = writeState(folder, owner)
  try {
    const report = meter.begin('activations for the next piece', run.samples)
    const before = original && runBatches(original, run.graph, next.border)
    for await (const { values, done } of runBatches(run, run.graph, next.border)) {
      const then = await before?.next()
      const own = [...(then?.value?.values ?? [])].map(([name, value]) => [`${ORIGINAL}${name}`, value] as const)
      writer.batch(new Map([...values, ...own]))
      report(done)
    }
    await before?.return(undefined)
    for (const name of next.shared) {
      const values = run.weights.get(name)
      if (values) writer.weight(name, values)
    }
    meter.end()
    return writer.finish()
  } finally {
    writer.abandon()
  }
}

/** Work of the steps in the order in which they are done: the meter's plan. */
function plannedWork(run: PieceRun, options: ReadonlyMap<string, Option>, handsOn: boolean): number[] {
  const { network, graph, piece, samples } = run
  const plan: number[] = []
  let before = 0
  for (const { layers } of piece.stages) {
    const looked = layers.find(({ layer, input }) => {
      const option = options.get(layer.name)
      return option && input && looksAtInputs(option, layer.name)
    })
    if (looked) plan.push(samples * (before + hessianWork(network, graph, looked)))
    for (const each of layers) {
      const option = options.get(each.layer.name)
      if (option) plan.push(codesWork(each, needsHessian(option, each.layer.name)))
      before += forwardWork(network, graph, each)
    }
  }
  return handsOn ? [...plan, samples * before] : plan
}

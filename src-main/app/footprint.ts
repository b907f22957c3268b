// How much memory a job will ask for, from sizes alone: no graph is opened for it.
import type { CheckpointSummary } from '../../src-preload/contract/model.ts'
import type { Subject } from './projects.ts'

/** What of a job takes memory beside the programs. */
export interface MemoryParts {
  sessions: number // copies of the network in float32 at the same time
  pieces?: boolean // a calibrated run: it holds one block of the network after the other
  activations: number // batches whose activations live at the same time
  kept: boolean // the activations at the blocks' borders stay in memory, see engine/score/calibration
  hessians?: boolean // a calibrated run: those of one stage
}

/** Main, two engines with the runtime and its threads, and the kernels' memory; measured at rest and at work on small models. */
const programsBytes = 450 * 2 ** 20
const mostKeptBytes = 2 ** 30 // of borders, as engine/score/calibration bounds them
const mostHessianBytes = 2 ** 30 // as engine/calibrate/collect bounds them

const words = (bytes: number): string =>
  bytes >= 1e9
    ? `${(bytes / 1e9).toFixed(1)} GB`
    : bytes >= 1e6
      ? `${Math.round(bytes / 1e6)} MB`
      : `${Math.ceil(bytes / 1e3)} kB`

/** Positions that one batch takes through the network: tokens, or places of the largest feature map. */
function positionsOf(dataSet: NonNullable<Subject['dataSet']>): number {
  const { summary } = dataSet
  const samples = samplesPerBatch(dataSet)
  if (summary.kind === 'text') return samples * Number(/\d+/.exec(summary.unit)?.[0] ?? 256)
  if (summary.kind === 'noise') return Math.max(1, ...Object.values(summary.details).map(productOf)) // '[1, 512]' of each input
  const [width = 32, height = width] = (/(\d+)\s*[x×]\s*(\d+)/.exec(Object.values(summary.details).join(' ')) ?? [])
    .slice(1)
    .map(Number)
  return samples * width * height
}

const productOf = (dims: string): number =>
  (dims.match(/\d+/g) ?? []).reduce((product, dim) => product * Number(dim), 1)

/** Positions and bytes that the widest layer's input and output take for one sample; null without data. */
export function sampleActivations({ dataSet, checkpoint: { summary } }: Subject): {
  positions: number
  bytes: number
} | null {
  if (!dataSet || summary.task === 'none') return null
  const positions = positionsOf(dataSet) / samplesPerBatch(dataSet)
  return { positions, bytes: 4 * positions * widthOf(summary) }
}

const batchSamples = { text: 8, noise: 1, 'image-classification': 64 }
const samplesPerBatch = ({ summary }: NonNullable<Subject['dataSet']>): number => batchSamples[summary.kind]

/** Numbers a layer's input and output take at one position. */
function widthOf({ layers, task }: CheckpointSummary): number {
  const inner = layers.filter(({ compressible, role }) => compressible && role !== 'embed' && role !== 'head')
  // A feature map shrinks as its channels grow: places x channels is largest at the first convolution.
  if (task.startsWith('image-') && inner[0]?.role === 'conv') return 2 * (inner[0].shape[0] ?? 64)
  return Math.max(64, ...inner.map(({ shape }) => shape.reduce((sum, size) => sum + size, 0)))
}

/** Bytes at the peak, and how they come about in words. */
export function memoryOf(subject: Subject, parts: MemoryParts): { bytes: number; reason: string } {
  const { summary } = subject.checkpoint
  const weights = parts.sessions * 4 * summary.parameters
  const piece = parts.pieces === true ? 2 * 4 * largestBlock(summary) : 0 // as read, and in the runtime
  const largest = Math.max(0, ...summary.layers.map(({ parameters }) => parameters))
  // A layer at work: its weights, its codes, and what they stand for.
  const layer = 3 * 4 * largest
  const batch = subject.dataSet && summary.task !== 'none' ? 4 * positionsOf(subject.dataSet) * widthOf(summary) : 0
  const activations = parts.activations * batch
  const kept = parts.kept ? Math.min(mostKeptBytes, (batch / 4) * Math.max(1, summary.blocks)) : 0
  const widest = Math.max(0, ...summary.layers.map(({ shape }) => shape.slice(1).reduce((sum, size) => sum * size, 1)))
  const hessians = parts.hessians === true ? Math.min(mostHessianBytes, 3 * 4 * widest ** 2) : 0
  const all: [string, number][] = [
    [`${parts.sessions > 1 ? `${parts.sessions} copies of ` : ''}the weights in float32`, weights],
    ['a block of the network', piece],
    ['a layer at work', layer],
    ['activations of a batch', activations],
    ['activations at the borders of the blocks', kept],
    ['Hessians', hessians],
    ['the programs', programsBytes],
  ]
  const counted = all.filter(([, bytes]) => bytes > 0)
  return {
    bytes: counted.reduce((sum, [, bytes]) => sum + bytes, 0),
    reason: counted.map(([name, bytes]) => `${words(bytes)} for ${name}`).join(' + '),
  }
}

/** Weights of the block that has most of them. */
function largestBlock({ layers }: CheckpointSummary): number {
  const blocks = new Map<number, number>()
  for (const { block, parameters } of layers)
    if (block !== null) blocks.set(block, (blocks.get(block) ?? 0) + parameters)
  return Math.max(0, ...blocks.values())
}

export const bytesInWords = words

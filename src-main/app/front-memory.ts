// Memory that running an exported file takes at the peak: weights as the file holds them, what the runtime makes of them, and
// activations of one sample (an image, or a window of text with its keys and values).
import type { Option } from '../../src-preload/contract/plan.ts'
import { canRun } from '../engine/latency/names.ts'
import { readRecipe } from '../store/recipes.ts'
import { listVariants } from '../store/variants.ts'
import { isLever } from './offered.ts'
import type { PlanModel } from './plan-model.ts'
import { sampleActivations } from './footprint.ts'
import type { OpenProject, Subject } from './projects.ts'
import { readRunning } from './running-unit.ts'

export interface MemoryModel {
  /** Bytes at the peak for a file of these bytes, so many of whose weights are unpacked when it is opened; null where nothing
   *  is known of the activations. */
  of(fileBytes: number, unpacked: number): number | null
  source: string
}

/** Codes that an operator multiplies by as they are (MatMulNBits: 2, 4 and 8 bits) stay packed. Others are computed into floats
 *  when ONNX Runtime opens the file, and what is computed on the way lies beside them. */
export const isUnpacked = (format: string, { method, bits }: Pick<Option, 'method' | 'bits'>): boolean =>
  canRun(format) && method !== 'keep' && (format === 'onnx-folded' || isLever({ method }) || ![2, 4, 8].includes(bits))

/** The same of a recipe. */
export function unpackedIn(project: OpenProject, subject: Subject, recipeId: string): number {
  const recipe = readRecipe(project.store.read, { id: recipeId })
  const sizes = new Map(subject.checkpoint.summary.layers.map(({ name, parameters }) => [name, parameters]))
  const format = recipe?.format ?? ''
  return (recipe?.layers ?? []).reduce(
    (sum, { name, option }) => (isUnpacked(format, option) ? sum + (sizes.get(name) ?? 0) : sum),
    0,
  )
}

/** Bytes of such a weight at the peak, where no file with any was run: what uniform 3 and 5 bits of a Llama of 5.8 million
 *  weights took beyond its 4 bits. */
const usualUnpackedBytes = 23

/** No runtime holds a weight more than this often: as read, as packed for products, and on the way. */
const mostCopies = 3

/** The straight line through what was measured, by least squares: peak = copies x bytes + beside. One point tells what lies
 *  beside one copy. */
export function lineOf(points: readonly { bytes: number; peak: number }[]): { copies: number; beside: number } | null {
  if (points.length === 0) return null
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const [x, y] = [mean(points.map(({ bytes }) => bytes)), mean(points.map(({ peak }) => peak))]
  const spread = points.reduce((sum, { bytes }) => sum + (bytes - x) ** 2, 0)
  const slope = spread > 0 ? points.reduce((sum, { bytes, peak }) => sum + (bytes - x) * (peak - y), 0) / spread : 1
  const copies = Math.min(mostCopies, Math.max(1, slope))
  return { copies, beside: Math.max(0, y - copies * x) }
}

interface Run {
  bytes: number
  peak: number
  unpacked: number
}

/** The line of files that stay packed, and beside it the median of what an unpacked weight took in the others. */
export function planeOf(runs: readonly Run[]): { copies: number; beside: number; unpackedBytes: number } | null {
  const usual = runs.map((run) => ({ ...run, peak: Math.max(run.bytes, run.peak - usualUnpackedBytes * run.unpacked) }))
  const packed = usual.filter(({ unpacked }) => unpacked === 0)
  const line = lineOf(packed.length > 0 ? packed : usual)
  if (line === null) return null
  const rates = runs
    .filter(({ unpacked }) => unpacked > 0)
    .map(({ bytes, peak, unpacked }) => Math.max(0, (peak - line.copies * bytes - line.beside) / unpacked))
    .sort((a, b) => a - b)
  return { ...line, unpackedBytes: rates[Math.floor((rates.length - 1) / 2)] ?? usualUnpackedBytes }
}

export function memoryModel(
  project: OpenProject,
  model: Pick<PlanModel, 'subject' | 'format' | 'running'>,
): MemoryModel {
  const { subject, format } = model
  const recipes = new Map(listVariants(project.store.read).map(({ id, recipeId }) => [id, recipeId]))
  const measured = [...readRunning(project, subject, format)].map(([variant, { fileBytes, peakBytes }]): Run => {
    const recipe = variant === null ? undefined : recipes.get(variant)
    const unpacked = recipe === undefined ? 0 : unpackedIn(project, subject, recipe)
    return { bytes: fileBytes, peak: peakBytes, unpacked }
  })
  const line = planeOf(measured)
  if (line !== null)
    return {
      of: (bytes, unpacked) => line.copies * bytes + line.beside + line.unpackedBytes * unpacked,
      source: `Files were run in a process of their own on this machine’s CPU, one sample at a time; counted is what it held at the peak beyond the runtime itself. Predicted from ${measured.length} such ${measured.length === 1 ? 'run' : 'runs'}: ${line.copies.toFixed(2)} x the file + ${(line.beside / 1e6).toFixed(1)} MB${format === 'onnx' ? ` + ${line.unpackedBytes.toFixed(0)} bytes for each weight of another width than 2, 4 or 8 bits, zeros or low rank, which are unpacked when the file is opened` : ''}.`,
    }
  const beside = besideWeights(subject, model.running)
  return beside === null
    ? { of: () => null, source: 'Memory is not known: nothing was run, and no data tells how large a sample is.' }
    : {
        of: (bytes) => bytes + beside,
        source: `Estimated, not measured: weights as the exported file holds them + ${(beside / 1e6).toFixed(1)} MB of activations${model.running ? ', keys and values' : ''} of one sample. Programs keep copies beside these.`,
      }
}

/** Activations of one sample and, of a language model, keys and values of its window; bytes. */
function besideWeights(subject: Subject, running: PlanModel['running']): number | null {
  const sample = sampleActivations(subject)
  if (sample === null) return null
  if (running === null) return sample.bytes
  const { cachePerToken, activations, attentionPerToken } = running
  // `activations` and `attentionPerToken` are those of a prompt of 512 tokens, see engine/graph/memory.ts.
  const prompt = Math.min(1, sample.positions / promptTokens)
  return prompt * activations + sample.positions * (cachePerToken + prompt * attentionPerToken)
}
const promptTokens = 512

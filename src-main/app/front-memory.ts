// Memory that running an exported file takes at the peak: weights as the file holds them, what the runtime makes of them, and
// activations of one sample (an image, or a window of text with its keys and values).
import type { PlanModel } from './plan-model.ts'
import { sampleActivations } from './footprint.ts'
import type { OpenProject, Subject } from './projects.ts'
import { readRunning } from './running-unit.ts'

export interface MemoryModel {
  /** Bytes at the peak for a file of these bytes; null where nothing is known of the activations. */
  of(fileBytes: number): number | null
  source: string
}

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

export function memoryModel(
  project: OpenProject,
  model: Pick<PlanModel, 'subject' | 'format' | 'running'>,
): MemoryModel {
  const { subject, format } = model
  const measured = [...readRunning(project, subject, format).values()]
  const line = lineOf(measured.map(({ fileBytes, peakBytes }) => ({ bytes: fileBytes, peak: peakBytes })))
  if (line !== null)
    return {
      of: (bytes) => line.copies * bytes + line.beside,
      source: `Files were run in a process of their own on this machine’s CPU, one sample at a time; counted is what it held at the peak beyond the runtime itself. Predicted from ${measured.length} such ${measured.length === 1 ? 'run' : 'runs'}: ${line.copies.toFixed(2)} x the file + ${(line.beside / 1e6).toFixed(1)} MB.`,
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

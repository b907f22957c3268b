// What hidden states can tell something about: class labels, or kinds of outputs where there are none.
import type { Network } from '../../checkpoint/network.ts'
import { kmeans, nearestWords } from '../../kernels/vectors/kmeans.ts'
import type { PairedSample } from '../hidden.ts'
import { type Cloud, countOf } from './geometry.ts'

export interface Target {
  labels: Int32Array // one for each point; -1 unknown
  what: 'label' | 'output'
  classes: number // that occur
}

const classified = ({ task }: Network) => task === 'image-classification' || task === 'sequence-classification'

/** Labels of a classifier's data; else clusters of the last hidden state, as Liao et al. (section 3.2) cut continuous
 *  variables into classes (theirs by spectral clustering, these by k-means). */
export function targetOf(
  network: Network,
  sample: PairedSample,
  output: Cloud,
  clusters: number,
  seed: number,
): Target {
  const n = sample.kept
  const labels = sample.labels.slice(0, n)
  if (classified(network) && labels.some((label) => label >= 0))
    return { labels, what: 'label', classes: new Set(labels.filter((label) => label >= 0)).size }
  const k = Math.max(1, Math.min(clusters, Math.floor(countOf(output) / 4)))
  const points = { data: output.data, dims: output.width }
  const { codes } = nearestWords(points, kmeans(points, { k, seed }))
  return { labels: Int32Array.from(codes), what: 'output', classes: new Set(codes).size }
}

/** What must be said about targets that tell little. */
export const notesOn = ({ what, classes }: Target, measure: string): string[] => {
  if (classes > 1) return what === 'label' ? [] : [`${measure} is with ${classes} clusters of the last hidden state.`]
  return what === 'label'
    ? [`All labels of these samples are one class: ${measure} is 0 and says nothing.`]
    : [`The last hidden state is one cluster: ${measure} is 0 and says nothing.`]
}

// What a network is for, by its inputs and outputs.
import { tasks } from '../../../src-preload/contract/model.ts'
import type { Network } from '../checkpoint/network.ts'
import type { Dim, Graph } from './ir.ts'

/** Where our own files say it (metadata of the model). */
export const taskKey = 'lathe.task'

/** Told by the file, by the names that exporters give to inputs and outputs, or by the shape of an image classifier. */
export function findTask(graph: Graph): Network['task'] {
  const told = tasks.find((task) => task === graph.metadata.get(taskKey))
  return told ?? byNames(graph) ?? (isImageClassifier(graph) ? 'image-classification' : 'other')
}

const fewWords = 1000 // an encoder's scores for each token of fewer kinds are labels of tokens

/** Encoders and vision networks as the common exporters name their ends; null for all else. */
function byNames({ inputs, outputs }: Graph): Network['task'] | null {
  const takes = (name: string) => inputs.some((input) => input.name === name)
  const gives = (name: string) => outputs.find((output) => output.name === name)
  if (gives('logits_per_image')) return 'image-text-similarity'
  const features = ['last_hidden_state', 'token_embeddings', 'sentence_embedding'].some(gives)
  if (takes('pixel_values') && !takes('input_ids')) return features ? 'image-features' : null
  if (!takes('input_ids') || takes('position_ids') || inputs.some(({ name }) => name.startsWith('past_'))) return null
  if (features) return 'feature-extraction'
  const logits = gives('logits')?.shape
  if (logits?.length === 2) return 'sequence-classification'
  const words = logits?.at(-1)
  if (logits?.length !== 3 || !takes('token_type_ids')) return null
  return typeof words === 'number' && words < fewWords ? null : 'masked-lm'
}

const atLeast = (dim: Dim | undefined, least: number) => typeof dim !== 'number' || dim >= least

/** One image tensor [N, 1 or 3, H, W] in, one row of at least two class scores [N, C (, 1, 1)] out. */
function isImageClassifier(graph: Graph): boolean {
  const [input, ...others] = graph.inputs
  const output = graph.outputs[0]
  if (!input || others.length > 0 || !output) return false
  const [, channels, height, width] = input.shape ?? []
  const isImage =
    /^float/.test(input.dtype) &&
    input.shape?.length === 4 &&
    (channels === 1 || channels === 3) &&
    atLeast(height, 8) &&
    atLeast(width, 8)
  const [, classes, ...rest] = output.shape ?? []
  const isScores =
    (rest.length === 0 || (rest.length === 2 && rest.every((dim) => dim === 1))) &&
    classes !== undefined &&
    atLeast(classes, 2)
  return isImage && isScores
}

import type { Network } from '../checkpoint/network.ts'

/** What a network can be judged as. A language model that came as ONNX shows it by token numbers [batch, time] going in and
 *  a row of scores for each coming out, [batch, time, vocabulary]. */
export function judgedTask(network: Network): Network['task'] {
  if (network.task !== 'other' || !network.graph) return network.task
  const { inputs, outputs } = network.graph
  if (inputs.some((input) => input.name === 'token_type_ids')) return network.task // an encoder that labels tokens
  const tokens = inputs.find((input) => input.name === 'input_ids') ?? (inputs.length === 1 ? inputs[0] : undefined)
  const isTokens = (tokens?.dtype === 'int64' || tokens?.dtype === 'int32') && tokens.shape?.length === 2
  const scores = outputs[0]
  return isTokens && scores?.dtype === 'float32' && scores.shape?.length === 3 ? 'causal-lm' : network.task
}

/** What a row of class scores in the first output stands for; null where it has none: features, embeddings, or a single
 *  score, of which a softmax says nothing. */
export function scoredUnit(network: Network): 'token' | 'sample' | null {
  switch (judgedTask(network)) {
    case 'causal-lm':
    case 'masked-lm':
    case 'image-text-to-text':
      return 'token'
    case 'image-classification':
      return 'sample'
    case 'sequence-classification':
      return network.graph?.outputs[0]?.shape?.at(-1) === 1 ? null : 'sample'
    default:
      return null
  }
}

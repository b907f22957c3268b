import type { Network } from '../checkpoint/network.ts'

/** What a network can be judged as. A language model that came as ONNX shows it by token numbers [batch, time] going in and
 *  a row of scores for each coming out, [batch, time, vocabulary]. */
export function judgedTask(network: Network): Network['task'] {
  if (network.task !== 'other' || !network.graph) return network.task
  const { inputs, outputs } = network.graph
  const tokens = inputs.find((input) => input.name === 'input_ids') ?? (inputs.length === 1 ? inputs[0] : undefined)
  const isTokens = (tokens?.dtype === 'int64' || tokens?.dtype === 'int32') && tokens.shape?.length === 2
  const scores = outputs[0]
  return isTokens && scores?.dtype === 'float32' && scores.shape?.length === 3 ? 'causal-lm' : network.task
}

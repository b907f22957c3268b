// KL divergence of a network to its original, computed inside the graph that is run: the logits need not leave the session,
// and the original's log-probabilities are computed once.
//   KL(p || q) = sum_c p_c (log p_c - log q_c),  log q = LogSoftmax(z),  p = exp(log p)
// Differences of logarithms are taken before they are summed, so small divergences keep their digits.
import { int, node, type Graph, type Initializer } from '../graph/ir.ts'

export const referenceInput = 'lathe/reference' // [rows, classes], log p of the original
export const divergenceOutput = 'lathe/divergence' // [rows, 1], nats

/** The graph with the divergence of `logits` as its only output. */
export function withDivergence(graph: Graph, logits: string, classes: number): Graph {
  const name = (part: string): string => `lathe/${part}`
  const constant = (part: string, initializer: Omit<Initializer, 'name'>): [string, Initializer] => [
    name(part),
    { ...initializer, name: name(part) },
  ]
  const ones = new Float32Array(classes).fill(1)
  const shape = BigInt64Array.of(-1n, BigInt(classes))
  return {
    ...graph,
    nodes: [
      ...graph.nodes,
      node('Cast', [logits], [name('logits')], { to: int(1) }),
      node('Reshape', [name('logits'), name('shape')], [name('rows')]),
      node('LogSoftmax', [name('rows')], [name('logq')], { axis: int(1) }),
      node('Sub', [referenceInput, name('logq')], [name('distance')]),
      node('Exp', [referenceInput], [name('p')]),
      node('Mul', [name('p'), name('distance')], [name('terms')]),
      node('MatMul', [name('terms'), name('ones')], [divergenceOutput]),
    ],
    inputs: [...graph.inputs, { name: referenceInput, dtype: 'float32', shape: [null, classes] }],
    outputs: [{ name: divergenceOutput, dtype: 'float32', shape: [null, 1] }],
    initializers: new Map([
      ...graph.initializers,
      constant('ones', { dtype: 'float32', shape: [classes, 1], data: { inline: new Uint8Array(ones.buffer) } }),
      constant('shape', { dtype: 'int64', shape: [2], data: { inline: new Uint8Array(shape.buffer) } }),
    ]),
  }
}

/** Log-probabilities of rows of logits, in place. */
export function logSoftmaxRows(logits: Float32Array, classes: number): Float32Array {
  for (let begin = 0; begin + classes <= logits.length; begin += classes) {
    const row = logits.subarray(begin, begin + classes)
    let most = -Infinity
    for (const value of row) if (value > most) most = value
    let sum = 0
    for (const value of row) sum += Math.exp(value - most)
    const shift = most + Math.log(sum)
    for (let i = 0; i < classes; i++) row[i] = (row[i] ?? 0) - shift
  }
  return logits
}

// What a sentence-transformers folder does with the hidden states. Reimers & Gurevych 2019, "Sentence-BERT", section 3:
//   cls    h_0
//   mean   sum_t m_t h_t / max(sum_t m_t, 1e-9)             m: the attention mask
//   max    max_t h_t over t with m_t = 1
//   mean-sqrt   sum_t m_t h_t / sqrt(max(sum_t m_t, 1e-9))
//   then, where the folder has them: y = act(x W^T + b), and y / max(|y|, 1e-12)
// Several poolings are laid side by side, in this order.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { int } from '../ir.ts'
import { type Activation, buildActivation } from './activation.ts'
import type { GraphBuilder } from './builder.ts'
import { buildLinear } from './linear.ts'
import { outsideMask } from './text-inputs.ts'

export const poolings = ['cls', 'max', 'mean', 'mean-sqrt'] as const // in the order in which they are laid side by side
export type Pooling = (typeof poolings)[number]

export interface DenseModule {
  module: string // '<module>.weight' among the tensors of the network
  rows: number
  cols: number
  bias: boolean
  activation: Activation | null
}

export interface SentenceModules {
  pooling: Pooling[]
  dense: DenseModule[]
  normalised: boolean
}

/** 'sentence_embedding' [batch, size] of hidden states [batch, time, width]; gives its size. */
export function buildSentence(b: GraphBuilder, sentence: SentenceModules, hidden: string, width: number): number {
  const pooled = sentence.pooling.map((pooling) => buildPooling(b, pooling, hidden))
  const [only = ''] = pooled
  let value = pooled.length === 1 ? only : b.op('Concat', pooled, 'pooling.joined', { axis: int(-1) })
  let size = width * pooled.length
  for (const { activation, ...dense } of sentence.dense) {
    if (dense.cols !== size) {
      throw new Fault(
        'bad-input',
        `${dense.module}: in_features is ${dense.cols}, what stands before it gives ${size}`,
        {
          hint: 'The folders of the modules belong to different networks.',
          data: { tensor: dense.module, expected: String(size), found: String(dense.cols) },
        },
      )
    }
    const linear = buildLinear(b, { ...dense, role: 'linear' }, value, null)
    value = activation === null ? linear : buildActivation(b, activation, linear, dense.module)
    size = dense.rows
  }
  if (sentence.normalised) {
    const length = b.op('ReduceL2', [value, lastAxis(b)], 'sentence.length', { keepdims: int(1) })
    value = b.op(
      'Div',
      [value, b.op('Max', [length, b.scalar('shortest', 1e-12)], 'sentence.divisor')],
      'sentence.unit',
    )
  }
  b.op('Identity', [value], 'sentence_embedding')
  return size
}

const lastAxis = (b: GraphBuilder) => b.once('sentence.last_axis', (name) => b.integers(name, [-1]))
const timeAxis = (b: GraphBuilder) => b.once('sentence.time_axis', (name) => b.integers(name, [1]))

function buildPooling(b: GraphBuilder, pooling: Pooling, hidden: string): string {
  const over = (op: string, value: string, name: string) => b.op(op, [value, timeAxis(b)], name, { keepdims: int(0) })
  switch (pooling) {
    case 'cls':
      return b.op('Gather', [hidden, b.once('first', (name) => b.integers(name, [0], []))], 'pooling.cls', {
        axis: int(1),
      })
    case 'max': {
      const outside = b.op('Unsqueeze', [outsideMask(b), lastAxis(b)], 'pooling.outside')
      return over('ReduceMax', b.op('Add', [hidden, outside], 'pooling.inside'), 'pooling.max')
    }
    default: {
      const sum = b.once('pooling.sum', (name) => {
        const weights = b.op('Unsqueeze', [maskNumbers(b), lastAxis(b)], 'pooling.weights')
        return over('ReduceSum', b.op('Mul', [hidden, weights], 'pooling.weighted'), name)
      })
      const count = b.once('pooling.count', (name) => {
        const tokens = b.op('ReduceSum', [maskNumbers(b), timeAxis(b)], 'pooling.tokens', { keepdims: int(1) })
        return b.op('Max', [tokens, b.scalar('fewest_tokens', 1e-9)], name)
      })
      const divisor = pooling === 'mean' ? count : b.op('Sqrt', [count], 'pooling.root')
      return b.op('Div', [sum, divisor], `pooling.${pooling}`)
    }
  }
}

const maskNumbers = (b: GraphBuilder) =>
  b.once('attention_mask.numbers', (name) => b.op('Cast', ['attention_mask'], name, { to: int(1) }))

// What stands on a text encoder: predictions of masked words, classes of a text, or its features.
import type { Role } from '../../../../src-preload/contract/model.ts'
import { int, type ValueInfo } from '../ir.ts'
import { type Activation, buildActivation } from './activation.ts'
import type { GraphBuilder } from './builder.ts'
import type { BuiltModel } from './define.ts'
import { buildEncoder, type EncoderBody, type EncoderSpec } from './encoder.ts'
import { buildLinear } from './linear.ts'
import { buildNorm } from './norm.ts'
import { buildSentence, type SentenceModules } from './sentence.ts'
import { shapedAs } from './text-inputs.ts'

/** logits = norm(act(dense(h))) E^T + bias. Devlin et al. 2019, section 3.1; E is the table of words when tied. */
export interface MaskedHead {
  task: 'masked-lm'
  dense: string // modules
  norm: string
  activation: Activation
  weight: string | null // null: tied to the embedding
  bias: string // tensor
}

/** classes = out(act(dense(h_0))); a head without `dense` goes straight. */
export interface ClassHead {
  task: 'sequence-classification'
  dense: string | null
  activation: Activation
  out: string
  classes: number
}

export interface FeatureHead {
  task: 'feature-extraction'
  pooler: string | null // tanh(dense(h_0)), where the checkpoint has it
  sentence: SentenceModules | null
}

export type TextHead = MaskedHead | ClassHead | FeatureHead

/** The graph of an encoder with a head. Faults 'bad-input' where a weight is missing or misshapen. */
export function buildTextModel(b: GraphBuilder, spec: EncoderSpec, head: TextHead): BuiltModel {
  const body = buildEncoder(b, spec)
  const outputs = buildHead(b, spec, body, head)
  return {
    graph: b.finish(spec.family, body.inputs, outputs),
    layers: b.layers,
    blocks: body.blocks,
    head: null,
    task: head.task,
    card: describe(spec, head),
    tokens: { vocabulary: spec.vocabulary, context: contextOf(spec) },
  }
}

const output = (name: string, shape: ValueInfo['shape']): ValueInfo => ({ name, dtype: 'float32', shape })

function buildHead(b: GraphBuilder, spec: EncoderSpec, body: EncoderBody, head: TextHead): ValueInfo[] {
  const { width, epsilon } = spec
  const dense = (input: string, module: string, role: Role, rows = width) =>
    buildLinear(b, { module, role, rows, cols: width, bias: true }, input, null)
  if (head.task === 'masked-lm') {
    const active = buildActivation(b, head.activation, dense(body.hidden, head.dense, 'fc'), head.dense)
    const norm = { kind: 'layer', module: head.norm, size: width, epsilon } as const
    const last = buildNorm(b, norm, active, 'hidden.last', null)
    const shape = [spec.vocabulary, width]
    const weight = head.weight === null ? body.embedding : b.weight(head.weight, shape, { role: 'head', op: 'Gemm' })
    const bias = b.weight(head.bias, [spec.vocabulary], { role: 'bias', op: 'Gemm' })
    const rows = b.op('Gemm', [last, weight, bias], 'logits.rows', { transB: int(1) })
    b.op('Reshape', [rows, shapedAs(b, 'logits_shape', [spec.vocabulary])], 'logits')
    return [output('logits', ['batch', 'time', spec.vocabulary])]
  }
  const states = head.task === 'feature-extraction' ? 'last_hidden_state' : 'hidden.states'
  b.op('Reshape', [body.hidden, shapedAs(b, 'states_shape', [width])], states) // [batch, time, width]
  const first = () => {
    const at = b.once('first', (name) => b.integers(name, [0], []))
    return b.op('Gather', [states, at], 'hidden.first', { axis: int(1) })
  }
  if (head.task === 'sequence-classification') {
    const middle =
      head.dense === null ? first() : buildActivation(b, head.activation, dense(first(), head.dense, 'fc'), head.dense)
    b.op('Identity', [dense(middle, head.out, 'head', head.classes)], 'logits')
    return [output('logits', ['batch', head.classes])]
  }
  const outputs = [output('last_hidden_state', ['batch', 'time', width])]
  if (head.sentence) {
    const size = buildSentence(b, head.sentence, states, width)
    outputs.push(output('sentence_embedding', ['batch', size]))
  } else if (head.pooler !== null) {
    // Beside the hidden states, by which the features are judged: nothing would tell how much it matters.
    const linear = { module: head.pooler, role: 'fc', rows: width, cols: width, bias: true, keep: true } as const
    b.op('Tanh', [buildLinear(b, linear, first(), null)], 'pooler_output')
    outputs.push(output('pooler_output', ['batch', width]))
  }
  return outputs
}

/** Positions that count past the padding token begin behind its own. */
const contextOf = ({ positions, countedPast }: EncoderSpec): number =>
  countedPast === null ? positions : positions - countedPast - 1

function describe(spec: EncoderSpec, head: TextHead): Record<string, string> {
  const sentence = head.task === 'feature-extraction' ? head.sentence : null
  return {
    'context length': String(contextOf(spec)),
    vocabulary: String(spec.vocabulary),
    width: String(spec.width),
    blocks: String(spec.depth),
    heads: String(spec.heads),
    ...(head.task === 'masked-lm' && { head: head.weight === null ? 'tied to the embedding' : 'its own weights' }),
    ...(head.task === 'sequence-classification' && { classes: String(head.classes) }),
    ...(sentence && {
      'sentence embedding': [
        `${sentence.pooling.join(' + ')} pooling`,
        ...sentence.dense.map(({ rows }) => `dense ${rows}`),
        ...(sentence.normalised ? ['normalised'] : []),
      ].join(', '),
    }),
  }
}

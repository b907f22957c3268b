// One layer of an encoder. Vaswani et al. 2017, section 3.1 ('post'), and Xiong et al. 2020, "On Layer Normalization in the
// Transformer Architecture", figure 1 ('pre'):
//   post:  h <- norm(h + o(attention(h)));        h <- norm(h + down(act(up(h))))
//   pre:   h <- h + o(attention(norm(h)));        h <- h + down(act(up(norm(h))))
// The hidden state is rows [batch * time, width]: every linear layer is one Gemm on the checkpoint's own tensor.
import type { Role } from '../../../../src-preload/contract/model.ts'
import type { Block } from '../../checkpoint/network.ts'
import { type Activation, buildActivation } from './activation.ts'
import type { QueryKeyValue } from './attend.ts'
import type { GraphBuilder } from './builder.ts'
import { buildLinear } from './linear.ts'
import { buildNorm } from './norm.ts'

/** Module paths of one layer. */
export interface LayerNames {
  q: string
  k: string
  v: string
  o: string
  attentionNorm: string
  up: string
  down: string
  feedNorm: string
}

export interface TransformerSpec {
  width: number
  inner: number // width of the feed-forward part
  epsilon: number
  activation: Activation
  order: 'pre' | 'post'
  qkvBias: boolean
}

/** How the tokens of a layer attend to each other. Values on the way are named after `module`. */
export interface Attending {
  attend(module: string, rows: QueryKeyValue): string
  /** Rearranges rows before the queries are made, and back before they are added (windows). */
  enter?(rows: string, module: string): string
  leave?(rows: string, module: string): string
}

/** Adds a layer; gives `output`, named so. */
export function buildLayer(
  b: GraphBuilder,
  hidden: string,
  output: string,
  spec: TransformerSpec,
  { name, names, block }: { name: string; names: LayerNames; block: number },
  { attend, enter, leave }: Attending,
): string {
  const { width, inner, epsilon } = spec
  const pre = spec.order === 'pre'
  const linear = (input: string, module: string, role: Role, [rows, cols]: [number, number], bias = true) =>
    buildLinear(b, { module, role, rows, cols, bias }, input, block)
  const norm = (input: string, module: string, result = `${module}.output`) =>
    buildNorm(b, { kind: 'layer', module, size: width, epsilon }, input, result, block)

  const normed = pre ? norm(hidden, names.attentionNorm) : hidden
  const x = enter ? enter(normed, `${name}.window`) : normed
  const project = (module: string, role: Role) => linear(x, module, role, [width, width], spec.qkvBias)
  const rows = { q: project(names.q, 'q'), k: project(names.k, 'k'), v: project(names.v, 'v') }
  const projected = linear(attend(`${name}.attend`, rows), names.o, 'o', [width, width])
  const attended = leave ? leave(projected, `${name}.window`) : projected
  const sum = b.op('Add', [hidden, attended], `${name}.attended`)
  const middle = b.describe(pre ? sum : norm(sum, names.attentionNorm), [null, width])

  const y = pre ? norm(middle, names.feedNorm) : middle
  const up = linear(y, names.up, 'up', [inner, width])
  const down = linear(buildActivation(b, spec.activation, up, `${name}.feed`), names.down, 'down', [width, inner])
  const result = pre
    ? b.op('Add', [middle, down], output)
    : norm(b.op('Add', [middle, down], `${name}.fed`), names.feedNorm, output)
  return b.describe(result, [null, width])
}

/** Adds a block around what `make` writes; gives the value that `make` gives. */
export function addBlock(
  b: GraphBuilder,
  blocks: Block[],
  { name, inputs }: { name: string; inputs: string[] },
  make: (index: number) => string,
): string {
  const before = b.layers.length
  const block: Block = { index: blocks.length, name, layers: [], inputs }
  blocks.push(block)
  const output = make(block.index)
  block.layers.push(...b.layers.slice(before).map((layer) => layer.name))
  return output
}

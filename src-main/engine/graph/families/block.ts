// One block of a decoder, A the attention and M the feed-forward part, n norms. How they stand to the residual stream:
//   before    h += A(n1 h);        h += M(n2 h)            Radford et al. 2019 (GPT-2), Touvron et al. 2023 (LLaMA)
//   around    h += n2 A(n1 h);     h += n4 M(n3 h)         Gemma 2, section 2
//   parallel  h += A(n1 h) + M(n2 h)                       Black et al. 2022 (GPT-NeoX), section 2.1
//   after     h = n1(h + A(h));    h = n2(h + M(h))        Vaswani et al. 2017
import { type Attention, buildAttention } from './attention.ts'
import type { GraphBuilder } from './builder.ts'
import { buildMlp, type Mlp } from './mlp.ts'
import { buildNorm, type Norm } from './norm.ts'
import type { Frame } from './positions.ts'

export interface BlockSpec {
  module: string
  attention: Attention
  mlp: Mlp
  residual:
    | { kind: 'before' | 'parallel' | 'after'; attention: Norm; mlp: Norm }
    | { kind: 'around'; attention: Norm; attentionOut: Norm; mlp: Norm; mlpOut: Norm }
}

/** Returns the hidden state behind the block, named `output`. */
export function buildBlock(
  b: GraphBuilder,
  frame: Frame,
  { module, attention, mlp, residual }: BlockSpec,
  index: number,
  hidden: string,
  output: string,
): string {
  const attend = (input: string) => buildAttention(b, frame, attention, input, index)
  const feed = (input: string) => buildMlp(b, mlp, input, index)
  const norm = (which: Norm, input: string, name: string) => buildNorm(b, which, input, name, index)
  const middle = `${module}.middle`
  if (residual.kind === 'after') {
    const attended = b.op('Add', [hidden, attend(hidden)], `${module}.attended`)
    const between = norm(residual.attention, attended, middle)
    return norm(residual.mlp, b.op('Add', [between, feed(between)], `${module}.fed`), output)
  }
  const attended = attend(norm(residual.attention, hidden, `${attention.module}.input`))
  if (residual.kind === 'parallel') {
    const fed = feed(norm(residual.mlp, hidden, `${mlp.module}.input`))
    return b.op('Add', [hidden, b.op('Add', [attended, fed], `${module}.both`)], output)
  }
  const out = (which: 'attentionOut' | 'mlpOut', input: string, name: string) =>
    residual.kind === 'around' ? norm(residual[which], input, name) : input
  const between = b.op('Add', [hidden, out('attentionOut', attended, `${attention.module}.normed`)], middle)
  const fed = feed(norm(residual.mlp, between, `${mlp.module}.input`))
  return b.op('Add', [between, out('mlpOut', fed, `${mlp.module}.normed`)], output)
}

// A mixture of experts in the place of the feed-forward part.
//   Shazeer et al. 2017, "Outrageously Large Neural Networks"; Jiang et al. 2024, "Mixtral of Experts", section 2.1:
//   p = softmax(router(x));   y = sum over the k experts with the largest p of p_e expert_e(x)
//   Mixtral and some Qwen models divide the k chosen p by their sum. Qwen2-MoE adds sigmoid(gate(x)) shared(x) (Yang et
//   al. 2024, "Qwen2 Technical Report", section 2.2.2).
// Each expert computes only the tokens that chose it, so what is gathered at its layers is what they really see. A token
// has k slots; the slots of all experts together are a permutation, so nothing is ever added in an undefined order.
import { int } from '../ir.ts'
import type { GraphBuilder } from './builder.ts'
import { buildLinear, type Linear } from './linear.ts'
import { buildMlp, type GatedMlp } from './mlp.ts'

export interface Experts {
  kind: 'experts'
  module: string
  router: Linear
  chosen: number // k, experts for each token
  normalised: boolean // the chosen weights sum to 1
  experts: { count: number; at(index: number): GatedMlp } // made one by one: a configuration may claim any number
  shared: { mlp: GatedMlp; gate: Linear } | null // gate: one output
}

export function buildExperts(b: GraphBuilder, spec: Experts, input: string, block: number): string {
  const { module, experts, shared, chosen } = spec
  const { shares, choices } = buildRouting(b, spec, input, block)
  const flat = b.once('flat_list', (name) => b.integers(name, [-1]))
  const wanted = b.op('Reshape', [choices, flat], `${module}.choices.flat`) // [tokens * k], by slot
  const perToken = b.once(`slots.${chosen}`, (name) => b.integers(name, [chosen], []))
  const slots: string[] = []
  const results: string[] = []
  for (let index = 0; index < experts.count; index++) {
    const expert = experts.at(index)
    const which = b.once(`expert.${index}`, (name) => b.integers(name, [index], []))
    const found = b.op('NonZero', [b.op('Equal', [wanted, which], `${expert.module}.chosen`)], `${expert.module}.slots`)
    const list = b.op('Reshape', [found, flat], `${expert.module}.slot_list`) // [n]
    const tokens = b.op('Div', [list, perToken], `${expert.module}.tokens`)
    const own = b.op('Gather', [input, tokens], `${expert.module}.input`, { axis: int(0) }) // [n, width]
    slots.push(found)
    results.push(buildMlp(b, expert, own, block))
  }
  const column = b.once('one_column', (name) => b.integers(name, [-1, 1]))
  const all = b.op('Reshape', [b.op('Concat', slots, `${module}.slots`, { axis: int(1) }), column], `${module}.order`)
  const parts = b.op('Concat', results, `${module}.parts`, { axis: int(0) }) // [tokens * k, width], by expert
  const empty = b.op('ConstantOfShape', [b.op('Shape', [parts], `${module}.parts.shape`)], `${module}.parts.empty`)
  const bySlot = b.op('ScatterND', [empty, all, parts], `${module}.parts.slots`)
  const width = spec.router.cols
  const grouped = b.once(`slots.${chosen}x${width}`, (name) => b.integers(name, [-1, chosen, width]))
  const byToken = b.op('Reshape', [bySlot, grouped], `${module}.parts.tokens`) // [tokens, k, width]
  const scale = b.op('Unsqueeze', [shares, b.once('last_axis', (name) => b.integers(name, [-1]))], `${module}.scale`)
  const weighted = b.op('Mul', [byToken, scale], `${module}.weighted`)
  const sum = b.op('ReduceSum', [weighted, slotAxis(b)], `${module}.mixture`, { keepdims: int(0) })
  if (!shared) return sum
  const gate = b.op('Sigmoid', [buildLinear(b, shared.gate, input, block)], `${shared.gate.module}.share`)
  const common = b.op('Mul', [buildMlp(b, shared.mlp, input, block), gate], `${shared.mlp.module}.weighted`)
  return b.op('Add', [sum, common], `${module}.output`)
}

const slotAxis = (b: GraphBuilder) => b.once('slot_axis', (name) => b.integers(name, [1]))

/** The k largest probabilities of every token and whose they are, both [tokens, k]. */
function buildRouting(
  b: GraphBuilder,
  { module, router, chosen, normalised }: Experts,
  input: string,
  block: number,
): { shares: string; choices: string } {
  const scores = b.op('Softmax', [buildLinear(b, router, input, block)], `${module}.probabilities`, { axis: int(-1) })
  const count = b.once(`chosen.${chosen}`, (name) => b.integers(name, [chosen]))
  const [shares, choices] = [`${module}.shares`, `${module}.choices`]
  b.many('TopK', [scores, count], [shares, choices], { axis: int(-1) })
  if (!normalised) return { shares, choices }
  const total = b.op('ReduceSum', [shares, slotAxis(b)], `${module}.shares.total`, { keepdims: int(1) })
  return { shares: b.op('Div', [shares, total], `${module}.shares.normalised`), choices }
}

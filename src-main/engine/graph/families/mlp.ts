// The feed-forward part of a block, on [tokens, width].
//   plain   Vaswani et al. 2017, section 3.3:  down(act(up(x)))
//   gated   Shazeer 2020, "GLU Variants":      down(act(gate(x)) * up(x))
import { type Activation, buildActivation } from './activation.ts'
import type { GraphBuilder } from './builder.ts'
import { buildExperts, type Experts } from './experts.ts'
import { buildLinear, type Linear } from './linear.ts'

export interface PlainMlp {
  kind: 'plain'
  module: string
  activation: Activation
  up: Linear
  down: Linear
}

export interface GatedMlp {
  kind: 'gated'
  module: string
  activation: Activation
  /** Two layers, or one whose first half of outputs is the gate. */
  gate: Linear | null
  up: Linear
  down: Linear
}

export type Mlp = PlainMlp | GatedMlp | Experts

export function buildMlp(b: GraphBuilder, mlp: Mlp, input: string, block: number): string {
  if (mlp.kind === 'experts') return buildExperts(b, mlp, input, block)
  const { module, activation, down } = mlp
  if (mlp.kind === 'plain') {
    const up = buildLinear(b, mlp.up, input, block)
    return buildLinear(b, down, buildActivation(b, activation, up, module), block)
  }
  const { gate, up } = mlp.gate
    ? { gate: buildLinear(b, mlp.gate, input, block), up: buildLinear(b, mlp.up, input, block) }
    : halves(b, buildLinear(b, mlp.up, input, block), module)
  const gated = b.op('Mul', [buildActivation(b, activation, gate, module), up], `${module}.gated`)
  return buildLinear(b, down, gated, block)
}

function halves(b: GraphBuilder, both: string, module: string): { gate: string; up: string } {
  const [gate, up] = b.halves(both, `${module}.gate_up`)
  return { gate, up }
}

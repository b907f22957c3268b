// Normalisation over the last axis.
//   rms    Zhang & Sennrich 2019, eq. 4:  x / sqrt(mean(x^2) + eps) * w;  Gemma stores w - 1
//   layer  Ba et al. 2016, eq. 4:         (x - mean) / sqrt(variance + eps) * w + bias
import { float, int } from '../ir.ts'
import type { GraphBuilder } from './builder.ts'

export interface Norm {
  kind: 'rms' | 'rms-plus-one' | 'layer'
  module: string // '<module>.weight' and, for layer norms, '<module>.bias'
  size: number
  epsilon: number
}

export function buildNorm(b: GraphBuilder, norm: Norm, input: string, output: string, block: number | null): string {
  const { kind, module, size } = norm
  const use = { role: 'norm', block } as const
  if (kind === 'layer') {
    // The oldest checkpoints call them gamma and beta.
    const [gainName, biasName] = b.has(`${module}.gamma`) ? ['gamma', 'beta'] : ['weight', 'bias']
    const gain = b.weight(`${module}.${gainName}`, [size], { ...use, op: 'LayerNormalization' })
    const bias = b.weight(`${module}.${biasName}`, [size], { role: 'bias', block, op: 'LayerNormalization' })
    return b.op('LayerNormalization', [input, gain, bias], output, { axis: int(-1), epsilon: float(norm.epsilon) })
  }
  const lastAxis = b.once('last_axis', (name) => b.integers(name, [-1]))
  const square = b.op('Mul', [input, input], `${module}.square`)
  const mean = b.op('ReduceMean', [square, lastAxis], `${module}.mean`, { keepdims: int(1) })
  const variance = b.op('Add', [mean, b.scalar('norm_epsilon', norm.epsilon)], `${module}.variance`)
  const unit = b.op('Div', [input, b.op('Sqrt', [variance], `${module}.root`)], `${module}.unit`)
  const weight = b.weight(`${module}.weight`, [size], { ...use, op: kind === 'rms' ? 'Mul' : 'Add' })
  const gain = kind === 'rms' ? weight : b.op('Add', [weight, b.scalar('norm_one', 1)], `${module}.gain`)
  return b.op('Mul', [unit, gain], output)
}

// Activation functions under the names that configurations use.
//   gelu  Hendrycks & Gimpel 2016: x Phi(x), exact with erf, or 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
//   silu  x sigmoid(x);   quick_gelu  x sigmoid(1.702 x)
import { text } from '../ir.ts'
import type { GraphBuilder } from './builder.ts'
import type { Settings } from './config.ts'

export type Activation = 'silu' | 'relu' | 'gelu' | 'gelu-tanh' | 'gelu-quick' | 'tanh'

const names: ReadonlyMap<string, Activation> = new Map([
  ['silu', 'silu'],
  ['swish', 'silu'],
  ['relu', 'relu'],
  ['gelu', 'gelu'],
  ['gelu_new', 'gelu-tanh'],
  ['gelu_fast', 'gelu-tanh'],
  ['gelu_pytorch_tanh', 'gelu-tanh'],
  ['quick_gelu', 'gelu-quick'],
  ['tanh', 'tanh'],
])

/** Faults 'unsupported' for a function that has no line above. */
export function readActivation(config: Settings, field: string, fallback: string): Activation {
  const name = config.has(field) ? config.text(field) : fallback
  const known = names.get(name)
  if (known) return known
  throw config.unsupported(field, `the activation ${JSON.stringify(name.slice(0, 40))} is not supported`)
}

/** The result is named `${module}.active`. */
export function buildActivation(b: GraphBuilder, kind: Activation, input: string, module: string): string {
  const output = `${module}.active`
  switch (kind) {
    case 'relu':
      return b.op('Relu', [input], output)
    case 'tanh':
      return b.op('Tanh', [input], output)
    case 'gelu':
      return b.op('Gelu', [input], output)
    case 'gelu-tanh':
      return b.op('Gelu', [input], output, { approximate: text('tanh') })
    case 'gelu-quick': {
      const steep = b.op('Mul', [input, b.scalar('quick_gelu', 1.702)], `${module}.steep`)
      return b.op('Mul', [input, b.op('Sigmoid', [steep], `${module}.sigmoid`)], output)
    }
    case 'silu':
      return b.op('Mul', [input, b.op('Sigmoid', [input], `${module}.sigmoid`)], output)
  }
}

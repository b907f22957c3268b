import type { LayerUse } from '../../checkpoint/layer.ts'
import { int } from '../ir.ts'
import type { GraphBuilder } from './builder.ts'

/** A linear layer of the checkpoint: y = x W^T + b on [tokens, cols]. */
export interface Linear extends Pick<LayerUse, 'role' | 'order' | 'expert' | 'keep'> {
  module: string // '<module>.weight' and '<module>.bias'
  rows: number // outputs
  cols: number // inputs
  bias: boolean
}

/** One Gemm on the checkpoint's own tensor, [rows, cols] or, in 'cols' order (GPT-2's Conv1D), [cols, rows]. */
export function buildLinear(b: GraphBuilder, linear: Linear, input: string, block: number | null): string {
  const { module, rows, cols, bias, order = 'rows', ...use } = linear
  const shape = order === 'rows' ? [rows, cols] : [cols, rows]
  const inputs = [input, b.weight(`${module}.weight`, shape, { ...use, order, block, op: 'Gemm' })]
  if (bias) inputs.push(b.weight(`${module}.bias`, [rows], { role: 'bias', block, op: 'Gemm' }))
  return b.op('Gemm', inputs, `${module}.output`, { transB: int(order === 'rows' ? 1 : 0) })
}

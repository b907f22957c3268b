// Shorthand for tensor rules.
import type { TensorRule } from './define.ts'
import type { RowOrder } from './rows.ts'

export const same = (gguf: string, name: string): TensorRule => ({ gguf, parts: [{ name }] })

/** A weight and its bias. */
export const both = (gguf: string, name: string): TensorRule[] => [
  same(`${gguf}.weight`, `${name}.weight`),
  same(`${gguf}.bias`, `${name}.bias`),
]

/** A weight and its bias whose rows GGUF orders otherwise. */
export const ordered = (gguf: string, name: string, order: RowOrder | undefined): TensorRule[] =>
  ['weight', 'bias'].map((end) => ({
    gguf: `${gguf}.${end}`,
    parts: [{ name: `${name}.${end}`, ...(order && { order }) }],
  }))

/** Query, key and value in one tensor, which llama.cpp takes in place of three. */
export const fused = (
  gguf: string,
  parts: readonly { name: string; order?: RowOrder; rows?: number }[],
): TensorRule[] =>
  ['weight', 'bias'].map((end) => ({
    gguf: `${gguf}.${end}`,
    parts: parts.map((part) => ({ ...part, name: `${part.name}.${end}` })),
  }))

/** The weights of all experts, one behind another. */
export const experts = (gguf: string, count: number, name: (expert: number) => string): TensorRule => ({
  gguf: `${gguf}.weight`,
  parts: Array.from({ length: count }, (_, i) => ({ name: `${name(i)}.weight` })),
  stacked: true,
})

export const blocks = <T>(count: number, each: (block: number) => T[]): T[] =>
  Array.from({ length: count }, (_, i) => each(i)).flat()

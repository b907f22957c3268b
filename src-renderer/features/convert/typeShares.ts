import type { ConversionPlan } from '../../../src-preload/contract/results.ts'

export interface TypeShare {
  title: string
  layers: number
  bytes: number
  share: number // of all layer bytes
}

/** 'gguf-q4_k-w' -> 'Q4_K', 'rtn-4-g64' -> '4 bits', 'keep' -> 'as it is'. */
export function typeTitle({ option, method, bits }: ConversionPlan['layers'][number]): string {
  if (method === 'keep') return 'as it is'
  const ggml = /^gguf-(.+?)(-w)?$/.exec(option)?.[1]
  return ggml ? ggml.toUpperCase() : `${bits} bits`
}

/** What the bytes of the layers become, the largest part first. */
export function typeShares({ layers }: ConversionPlan): TypeShare[] {
  const groups = new Map<string, { layers: number; bytes: number }>()
  for (const layer of layers) {
    const title = typeTitle(layer)
    const group = groups.get(title) ?? { layers: 0, bytes: 0 }
    groups.set(title, { layers: group.layers + 1, bytes: group.bytes + layer.bytes })
  }
  const total = layers.reduce((sum, { bytes }) => sum + bytes, 0)
  return [...groups]
    .map(([title, group]) => ({ title, ...group, share: total > 0 ? group.bytes / total : 0 }))
    .sort((a, b) => b.bytes - a.bytes)
}

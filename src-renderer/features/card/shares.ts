import type { CheckpointSummary, LayerSummary, Role } from '../../../src-preload/contract/model.ts'

export interface Share {
  title: string
  layers: number
  bytes: number
  share: number
}

function group(layers: readonly LayerSummary[], of: (layer: LayerSummary) => string): Share[] {
  const groups = new Map<string, { layers: number; bytes: number }>()
  for (const layer of layers) {
    const title = of(layer)
    const known = groups.get(title) ?? { layers: 0, bytes: 0 }
    groups.set(title, { layers: known.layers + 1, bytes: known.bytes + layer.bytes })
  }
  const total = layers.reduce((sum, { bytes }) => sum + bytes, 0)
  return [...groups]
    .map(([title, sum]) => ({ title, ...sum, share: total > 0 ? sum.bytes / total : 0 }))
    .sort((a, b) => b.bytes - a.bytes)
}

/** Bytes in the file by the form they are stored in: 'Q4_K', 'float16' ... */
export const storedShares = (layers: readonly LayerSummary[]): Share[] =>
  group(layers, ({ stored, dtype }) => stored ?? dtype)

export const roleShares = (layers: readonly LayerSummary[]): (Share & { role: Role })[] =>
  group(layers, ({ role }) => role).map((share) => ({ ...share, role: share.title as Role }))

export interface BlockBytes {
  title: string
  bytes: number
  height: number // share of the largest block
}

/** Bytes of each block in order, what lies outside them last. */
export function blockBytes({ layers, blocks }: Pick<CheckpointSummary, 'layers' | 'blocks'>): BlockBytes[] {
  const sums = new Array<number>(blocks).fill(0)
  let outside = 0
  for (const { block, bytes } of layers) {
    if (block === null) outside += bytes
    else sums[block] = (sums[block] ?? 0) + bytes
  }
  const all = [...sums.map((bytes, i) => ({ title: `Block ${i}`, bytes })), { title: 'Outside blocks', bytes: outside }]
  const largest = Math.max(1, ...all.map(({ bytes }) => bytes))
  return all.map((one) => ({ ...one, height: one.bytes / largest }))
}

/** What a tensor of this role is for, in plain words. */
export const roleWords: Record<Role, string> = {
  embed: 'Turns each token into a vector',
  head: 'Turns the last vector into a score for every answer',
  q: 'Attention: what a position looks for',
  k: 'Attention: what a position offers',
  v: 'Attention: what a position passes on',
  qkv: 'Attention: query, key and value in one',
  o: 'Attention: mixes the heads back together',
  gate: 'Feed-forward: decides what passes',
  up: 'Feed-forward: widens',
  down: 'Feed-forward: narrows back',
  fc: 'Fully connected layer',
  conv: 'Convolution over neighbouring positions',
  depthwise: 'Convolution of each channel alone',
  linear: 'Matrix product',
  recurrent: 'Carries a state from step to step',
  norm: 'Scales activations to an even size',
  bias: 'Is added to a layer’s output',
  other: 'Anything else the network needs',
}

import type { Choices } from '../../../src-main/engine/allocate/define.ts'

/** From the smallest options, again and again the one change of a layer that fits and saves most loss per byte. */
export function greedyLoss(layers: readonly Choices[], maxBytes: number): number {
  const choice = layers.map(({ bytes }) => bytes.indexOf(Math.min(...bytes)))
  let bytes = layers.reduce((sum, layer, i) => sum + (layer.bytes[choice[i] ?? 0] ?? 0), 0)
  for (;;) {
    let [best, layer, option] = [0, -1, -1]
    layers.forEach(({ bytes: sizes, loss }, i) => {
      const now = choice[i] ?? 0
      for (let o = 0; o < sizes.length; o++) {
        const size = (sizes[o] ?? 0) - (sizes[now] ?? 0)
        const saved = (loss[now] ?? 0) - (loss[o] ?? 0)
        if (saved <= 0 || bytes + size > maxBytes) continue
        const ratio = size <= 0 ? Infinity : saved / size
        if (ratio > best) [best, layer, option] = [ratio, i, o]
      }
    })
    if (layer < 0) return layers.reduce((sum, { loss }, i) => sum + (loss[choice[i] ?? 0] ?? 0), 0)
    bytes += (layers[layer]?.bytes[option] ?? 0) - (layers[layer]?.bytes[choice[layer] ?? 0] ?? 0)
    choice[layer] = option
  }
}

/** One option for all, the best that fits; layers that list the same options. */
export function uniformLoss(layers: readonly Choices[], maxBytes: number): number {
  const count = Math.min(...layers.map(({ bytes }) => bytes.length))
  const totals = Array.from({ length: count }, (_, o) => ({
    bytes: layers.reduce((sum, { bytes }) => sum + (bytes[o] ?? 0), 0),
    loss: layers.reduce((sum, { loss }) => sum + (loss[o] ?? 0), 0),
  }))
  return Math.min(...totals.filter(({ bytes }) => bytes <= maxBytes).map(({ loss }) => loss))
}

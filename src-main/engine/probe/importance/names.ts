// A layer's place in an imatrix file: llama.cpp lists entries by GGUF tensor name, all experts of a block in one.
import { Settings } from '../../graph/families/config.ts'
import { architectureFor } from '../../checkpoint/gguf/architectures/registry.ts'
import type { Network } from '../../checkpoint/network.ts'

export interface Entry {
  name: string // 'blk.3.attn_q.weight'; the layer's own name where no GGUF architecture fits
  parts: readonly string[] // layers, in order; several are the experts of a block
}

/** Entries of all layers of a network, each layer in one. */
export function entriesOf(network: Network): Entry[] {
  const layers = network.layers.filter(({ compressible }) => compressible).map(({ name }) => name)
  const { config } = network
  const type = config?.get('model_type')
  const architecture = typeof type === 'string' ? architectureFor(type) : undefined
  const entries: Entry[] = []
  const left = new Set(layers)
  if (config && architecture) {
    for (const { gguf, parts, stacked } of architecture.rules(
      new Settings(config, network.path),
      network.source.tensors,
    )) {
      const names = parts.map(({ name }) => name)
      // Joined tensors (q, k and v in one) share their input: any of them stands for it.
      const found = stacked ? names : names.slice(0, 1)
      if (!found.every((name) => left.has(name))) continue
      for (const name of names) left.delete(name)
      entries.push({ name: gguf, parts: names.length > 1 && !stacked ? names.slice(0, 1) : names })
    }
  }
  return [...entries, ...[...left].map((name) => ({ name, parts: [name] }))]
}

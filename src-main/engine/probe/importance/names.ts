// A layer's place in an imatrix file: llama.cpp lists entries by GGUF tensor name, all experts of a block in one.
import { Settings } from '../../graph/families/config.ts'
import { architectureFor } from '../../checkpoint/gguf/architectures/registry.ts'
import type { Network } from '../../checkpoint/network.ts'

const longestName = 54 // with '.in_sum2' within the 63 bytes of a GGUF name

export interface Entry {
  name: string // 'blk.3.attn_q.weight'; the layer's own name where no GGUF architecture fits, 'lathe.7' where that is too long
  /** Parts in order (the experts of a block); each lists layers that share their input (q, k and v of a joined tensor). */
  parts: readonly (readonly string[])[]
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
      if (!names.every((name) => left.has(name))) continue
      for (const name of names) left.delete(name)
      entries.push({ name: gguf, parts: stacked ? names.map((name) => [name]) : [names] })
    }
  }
  const others = [...left].map((name, i) => ({
    name: Buffer.byteLength(name) > longestName ? `lathe.${i}` : name,
    parts: [[name]],
  }))
  return [...entries, ...others]
}

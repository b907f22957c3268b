import { statSync } from 'node:fs'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Layer, Network } from '../checkpoint/network.ts'
import { openNetwork } from '../checkpoint/open.ts'
import { openDataset } from '../data/open.ts'
import type { Dataset } from '../data/types.ts'
import { prepareNetwork } from '../prepare/apply.ts'
import type { DataReference, Prepared } from '../protocol.ts'

const keep = 3

interface Entry {
  network: Network
  stamp: string // sizes and times of its files when it was opened
  datasets: Map<string, { dataset: Dataset; stamp: string }>
  prepared: { key: string; network: Network } | null // the last rewriting asked for; closes with the network
}

const entries = new Map<string, Entry>() // oldest first

const stampOf = (files: readonly string[]): string =>
  files
    .map((file) => {
      const stat = statSync(file, { throwIfNoEntry: false })
      return stat ? `${stat.size}:${stat.mtimeMs}:${stat.ino}` : 'gone'
    })
    .join(' ')

const entryOf = (path: string): Entry => {
  const known = entries.get(path)
  if (known && known.stamp === stampOf(known.network.files)) {
    entries.delete(path)
    entries.set(path, known)
    return known
  }
  known?.network.source.close()
  entries.delete(path)
  const network = openNetwork(path)
  const entry: Entry = { network, stamp: stampOf(network.files), datasets: new Map(), prepared: null }
  entries.set(path, entry)
  for (const [oldest, old] of entries) {
    if (entries.size <= keep) break
    entries.delete(oldest)
    old.network.source.close()
  }
  return entry
}

/** An open network, kept between tasks until its files change, after the given rewritings. The cache closes it, never the task. */
export function cachedNetwork(path: string, prepared: readonly Prepared[] = []): Network {
  const entry = entryOf(path)
  if (prepared.length === 0) return entry.network
  const key = JSON.stringify(prepared)
  if (entry.prepared?.key !== key) entry.prepared = { key, network: prepareNetwork(entry.network, prepared) }
  return entry.prepared.network
}

/** Its data set; null stays null. */
export async function cachedDataset(checkpoint: string, reference: DataReference): Promise<Dataset> {
  const entry = entryOf(checkpoint)
  const key = JSON.stringify([reference.path, reference.split])
  const stamp = stampOf([reference.path])
  const known = entry.datasets.get(key)
  if (known?.stamp === stamp) return known.dataset
  const dataset = await openDataset(reference, entry.network)
  entry.datasets.set(key, { dataset, stamp })
  return dataset
}

export function layerOf(network: Network, name: string): Layer {
  const layer = network.layers.find((candidate) => candidate.name === name)
  if (layer) return layer
  throw new Fault('not-found', `${network.path} has no layer ${JSON.stringify(name)}.`, {
    data: { file: network.path, tensor: name },
  })
}

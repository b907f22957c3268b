import { summarise } from '../checkpoint/open.ts'
import { exporters } from '../export/registry.ts'
import type { Tasks } from '../protocol.ts'
import { cachedNetwork } from './cache.ts'

/** Headers only: what a checkpoint is, which layers it has, and which formats can hold variants of it. */
export function inspect({ path }: Tasks['inspect']['args']): Tasks['inspect']['result'] {
  const network = cachedNetwork(path)
  const exports = exporters.map((exporter) => ({ format: exporter.id, reason: exporter.refuses(network) }))
  const fits = exports.filter(({ reason }) => reason === null)
  return { ...summarise(network), exports: [...fits, ...exports.filter(({ reason }) => reason !== null)] }
}

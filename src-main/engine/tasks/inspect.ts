import { summarise } from '../checkpoint/open.ts'
import { licenceOf } from '../export/card/licence.ts'
import { exporters } from '../export/registry.ts'
import type { Tasks } from '../protocol.ts'
import { cachedNetwork } from './cache.ts'

/** Headers only: what a checkpoint is, which layers it has, and which formats can hold variants of it. */
export function inspect({ path }: Tasks['inspect']['args']): Tasks['inspect']['result'] {
  const network = cachedNetwork(path)
  const exports = exporters.map((exporter) => ({ format: exporter.id, reason: exporter.refuses(network) }))
  const fits = exports.filter(({ reason }) => reason === null)
  const licence = licenceOf(network)
  return { ...summarise(network), licence, exports: [...fits, ...exports.filter(({ reason }) => reason !== null)] }
}

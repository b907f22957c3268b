import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Exporter } from '../export/define.ts'
import { exporters } from '../export/registry.ts'
import type { TaskContext, Tasks } from '../protocol.ts'
import { cachedDataset, cachedNetwork } from './cache.ts'

export function exporterOf(format: string): Exporter {
  const exporter = exporters.find(({ id }) => id === format)
  if (exporter) return exporter
  throw new Fault('bad-arguments', `There is no export format "${format}".`, {
    hint: `Known: ${exporters.map(({ id }) => id).join(', ')}.`,
    data: { field: 'format', found: format },
  })
}

/** Writes a variant, reopens what was written and compares it; nothing keeps its final name unless that agrees. */
export async function exportVariant(
  args: Tasks['export']['args'],
  context: TaskContext,
): Promise<Tasks['export']['result']> {
  const { checkpoint, prepared, artifacts, format, path, data, overwrite, plannedBytes, parameters, card } = args
  const network = cachedNetwork(checkpoint, prepared)
  const dataset = data === null ? null : await cachedDataset(checkpoint, data)
  return exporterOf(format).write(
    { network, artifacts, path, dataset, overwrite, plannedBytes, parameters, card },
    context,
  )
}

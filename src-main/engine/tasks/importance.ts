import { createHash } from 'node:crypto'
import { basename, join } from 'node:path'
import { entriesOf } from '../probe/importance/names.ts'
import { measureImportance } from '../probe/importance/measure.ts'
import { encodeImatrix } from '../probe/importance/write.ts'
import type { TaskContext, Tasks } from '../protocol.ts'
import { writeWhole } from '../quantize/write.ts'
import { cachedDataset, cachedNetwork } from './cache.ts'

/** Measures how much each input channel matters and keeps it as an imatrix file named by its content. */
export async function importance(
  args: Tasks['importance']['args'],
  context: TaskContext,
): Promise<Tasks['importance']['result']> {
  const { checkpoint, prepared, data, samples, device, folder } = args
  const network = cachedNetwork(checkpoint, prepared)
  const dataset = await cachedDataset(checkpoint, data)
  const measured = await measureImportance({ network, dataset, samples, device }, context)
  const chunkSize = Number(/\d+/.exec(dataset.unit)?.[0] ?? 1) // 'windows of 256 tokens'
  const source = { dataset: basename(data.path), chunks: measured.samples, chunkSize }
  const contents = encodeImatrix(entriesOf(network), measured.layers, source)
  const sha256 = createHash('sha256').update(contents).digest('hex')
  const path = join(folder, `${sha256}.imatrix.gguf`)
  writeWhole(path, contents)
  return { sha256, path, bytes: contents.length, layers: measured.layers.length, samples: measured.samples }
}

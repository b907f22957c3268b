import { Settings } from '../../graph/families/config.ts'
import { resolveInside, cacheLinkTargets } from '../containment.ts'
import { readSmallFile } from '../file.ts'
import type { FolderListing } from '../hf-folder.ts'
import { parseJsonObject } from '../json.ts'
import type { SafetensorsSource } from '../safetensors.ts'
import { openPackedWeights, type PackedSource } from './open.ts'

const mostBytes = 4 << 20

/** Settings of old tools lie in a file of their own, without a name for the method. */
const sideFiles = [
  { name: 'quantize_config.json', method: 'gptq' },
  { name: 'quant_config.json', method: 'awq' },
]

/** A Hugging Face folder's weights, unpacked where config.json (or a file beside it) says that they are packed. */
export function openPackedFolder(
  folder: string,
  listing: FolderListing,
  config: Settings | null,
  source: SafetensorsSource,
): PackedSource & { source: SafetensorsSource } {
  const opened = openPackedWeights(source, settingsOf(folder, listing, config))
  const { metadata, bytes } = source
  return { ...opened, source: { ...opened.source, metadata, bytes } }
}

function settingsOf(folder: string, { names }: FolderListing, config: Settings | null): Settings | null {
  const own = config?.section('quantization_config') ?? config?.section('compression_config') ?? null
  if (own || config === null) return own
  const side = sideFiles.find(({ name }) => names.includes(name))
  if (side === undefined) return null
  const path = resolveInside(folder, side.name, { linkTargets: cacheLinkTargets(folder) })
  const settings = new Settings(parseJsonObject(readSmallFile(path, mostBytes), path), path)
  return settings.withDefaults(new Map([['quant_method', side.method]]))
}

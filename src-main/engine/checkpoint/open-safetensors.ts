import { basename, dirname } from 'node:path'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Beside, BuiltModel, Family } from '../graph/families/define.ts'
import { Settings } from '../graph/families/config.ts'
import { modelFamilies } from '../graph/families/registry.ts'
import { fingerprintOf } from './fingerprint.ts'
import { assetsOf, type LanguageAssets, noAssets } from './assets.ts'
import { type FolderListing, openFolder } from './hf-folder.ts'
import { joinSources } from './joined.ts'
import type { Network, TensorSource } from './network.ts'
import { openPackedFolder } from './packed/folder.ts'
import { openPytorch } from './pytorch/source.ts'
import { readPreprocessor } from './preprocessor.ts'
import { type SafetensorsSource, openSafetensors } from './safetensors.ts'
import { readSentenceFolder, type SentenceFolder } from './sentence-transformers.ts'
import { looseLayers, tensorsOnlyNotice } from './tensors-only.ts'

/** A folder with config.json and weights. Where no family fits, it opens as tensors only and a notice says why. */
export function openHuggingFace(folder: string, listing: FolderListing): Network {
  const { source: stored, format, aliases, config, configPath, files, notices } = openFolder(folder, listing)
  let opened: TensorSource = stored
  try {
    const settings = config ? new Settings(config, configPath) : null
    const unpacked = openPackedFolder(folder, listing, settings, stored)
    const sentence = sentenceOf(folder, listing, notices)
    const source = joinSources(unpacked.source, sentence?.sources ?? [])
    opened = source
    const images = readPreprocessor(folder, listing, notices)
    files.push(...(sentence?.files ?? []), ...(images ? [images.file] : []))
    notices.push(...unpacked.notices)
    if (unpacked.reason !== null) notices.push(unpacked.reason)
    const built =
      settings && unpacked.reason === null
        ? buildModel(settings, source, notices, { sentence: sentence?.modules ?? null })
        : null
    if (!settings) notices.push('The folder has no config.json.')
    if (config?.has('auto_map')) {
      notices.push('config.json names Python code of its own (auto_map). Lathe never runs it.')
    }
    const assets = assetsOf(folder, listing, config)
    const network = assemble(folder, basename(folder), source, files, notices, built, { format, aliases, assets })
    const card = { ...network.card, ...images?.card, ...(unpacked.packed !== null && { packed: unpacked.packed }) }
    return { ...network, card, ...(images && { images: images.steps }) }
  } catch (error) {
    opened.close()
    throw error
  }
}

/** What a sentence-transformers folder adds; a part that is not known leaves the hidden states as they are. */
function sentenceOf(folder: string, listing: FolderListing, notices: string[]): SentenceFolder | null {
  try {
    return readSentenceFolder(folder, listing)
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'unsupported') throw error
    notices.push(`${error.message} The network gives hidden states and no sentence embedding.`)
    return null
  }
}

const nothingBeside = 'The file has no configuration beside it.'

/** One safetensors file without a configuration: tensors only. */
export function openLoneSafetensors(path: string): Network {
  const source = openSafetensors([path])
  try {
    const name = basename(path).replace(/\.safetensors$/i, '')
    return assemble(path, name, source, [path], [nothingBeside], null, { format: 'safetensors' })
  } catch (error) {
    source.close()
    throw error
  }
}

/** One PyTorch file without a configuration: tensors only. */
export function openLonePytorch(path: string): Network {
  const source = openPytorch([path])
  try {
    const { notices, aliases } = source
    const name = basename(path).replace(/\.(pt|pth|bin|th|ckpt)$/i, '')
    return assemble(path, name, source, [path], [...notices, nothingBeside], null, { format: 'pytorch', aliases })
  } catch (error) {
    source.close()
    throw error
  }
}

/** A family and the graph it made. */
export interface BuiltFamily {
  family: Family
  model: BuiltModel
}

/** The graph, or null with a notice where this configuration cannot be built. */
export function buildModel(
  settings: Settings,
  source: Pick<TensorSource, 'tensors'>,
  notices: string[],
  beside: Beside,
): BuiltFamily | null {
  const type = settings.text('model_type', '')
  const classes = settings.texts('architectures') ?? []
  const label = JSON.stringify((classes[0] ?? type).slice(0, 80))
  const family = modelFamilies.find(
    ({ id, architectures }) => id === type && (classes.length === 0 || classes.some((c) => architectures.includes(c))),
  )
  try {
    if (!family) {
      const own = modelFamilies.find(({ id }) => id === type)
      if (own) {
        const forms = own.architectures.join(', ')
        throw settings.unsupported('architectures', `${own.title} can be run as ${forms}, not as ${label}`)
      }
      const known = modelFamilies.map(({ title }) => title).join(', ')
      throw settings.unsupported('architectures', `${label} is none of the families that can be run (${known})`)
    }
    return { family, model: family.build(settings, source.tensors, beside) }
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'unsupported') throw error
    notices.push(error.message)
    return null
  }
}

const shownMetadata = 12
/** Old checkpoints store what the graph computes itself: rotary frequencies, position numbers, window tables, causal masks. */
const computed = /(^|\.)(inv_freq|position_ids|relative_position_index|attn_mask|attn(ention)?\.(masked_)?bias)$/

/** What a safetensors file notes about itself is the writer's; of a pickle we say ourselves how it was written. */
const labelOf = (key: string, format: Origin['format']) =>
  format === 'pytorch' ? key : `metadata: ${key.slice(0, 60)}`

interface Origin {
  format: 'safetensors' | 'pytorch'
  aliases?: ReadonlyMap<string, string>
  assets?: LanguageAssets
}

function assemble(
  path: string,
  name: string,
  source: SafetensorsSource,
  files: string[],
  notices: string[],
  built: BuiltFamily | null,
  { format, aliases = new Map(), assets = noAssets }: Origin,
): Network {
  const model = built?.model
  const used = new Set(model?.layers.map((layer) => layer.name))
  // A pickle lists a tied tensor under both of its names; where the graph uses one, the other is no layer of its own.
  const loose = looseLayers(source, used).filter(({ name }) => !used.has(aliases.get(name) ?? ''))
  if (!model) notices.push(tensorsOnlyNotice)
  const unused = loose.filter((layer) => !computed.test(layer.name))
  if (model && unused.length > 0) {
    const names = unused.slice(0, 3).map((layer) => layer.name)
    notices.push(
      `${unused.length} tensors of the checkpoint are not part of the ${built.family.title} graph: ${names.join(', ')}`,
    )
  }
  const metadata = [...source.metadata].slice(0, shownMetadata)
  return {
    path,
    name,
    format,
    family: built?.family.id ?? 'tensors-only',
    task: model?.task ?? 'none',
    fingerprint: fingerprintOf(files, files[0] === path ? dirname(path) : path),
    bytes: source.bytes,
    graph: model?.graph ?? null,
    source,
    layers: [...(model?.layers ?? []), ...loose],
    blocks: model?.blocks ?? [],
    head: model?.head ?? null,
    ...assets,
    ...(model?.cached && { cached: model.cached }),
    ...(model?.tokens && { tokens: model.tokens }),
    notices,
    card: {
      ...model?.card,
      ...Object.fromEntries(metadata.map(([key, value]) => [labelOf(key, format), value.slice(0, 200)])),
    },
    files,
  }
}

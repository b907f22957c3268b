import { basename, dirname } from 'node:path'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { BuiltModel, Family } from '../graph/families/define.ts'
import { Settings } from '../graph/families/config.ts'
import { modelFamilies } from '../graph/families/registry.ts'
import { fingerprintOf } from './fingerprint.ts'
import { assetsOf, type LanguageAssets, noAssets } from './assets.ts'
import { type FolderListing, openFolder } from './hf-folder.ts'
import type { Network, TensorSource } from './network.ts'
import { openPackedFolder } from './packed/folder.ts'
import { type SafetensorsSource, openSafetensors } from './safetensors.ts'
import { looseLayers, tensorsOnlyNotice } from './tensors-only.ts'

/** A folder with config.json and weights. Where no family fits, it opens as tensors only and a notice says why. */
export function openHuggingFace(folder: string, listing: FolderListing): Network {
  const { source: stored, config, configPath, files, notices } = openFolder(folder, listing)
  try {
    const settings = config ? new Settings(config, configPath) : null
    const unpacked = openPackedFolder(folder, listing, settings, stored)
    const { source } = unpacked
    notices.push(...unpacked.notices)
    if (unpacked.reason !== null) notices.push(unpacked.reason)
    const built = settings && unpacked.reason === null ? build(settings, source, notices) : null
    if (!settings) notices.push('The folder has no config.json.')
    if (config?.has('auto_map')) {
      notices.push('config.json names Python code of its own (auto_map). Lathe never runs it.')
    }
    const network = assemble(folder, basename(folder), source, files, notices, built, assetsOf(folder, listing, config))
    return unpacked.packed === null ? network : { ...network, card: { ...network.card, packed: unpacked.packed } }
  } catch (error) {
    stored.close()
    throw error
  }
}

/** One safetensors file without a configuration: tensors only. */
export function openLoneSafetensors(path: string): Network {
  const source = openSafetensors([path])
  try {
    const name = basename(path).replace(/\.safetensors$/i, '')
    return assemble(path, name, source, [path], ['The file has no configuration beside it.'], null)
  } catch (error) {
    source.close()
    throw error
  }
}

interface Built {
  family: Family
  model: BuiltModel
}

/** The graph, or null with a notice where this configuration cannot be built. */
function build(settings: Settings, source: TensorSource, notices: string[]): Built | null {
  const type = settings.text('model_type', '')
  const classes = settings.texts('architectures') ?? []
  const label = JSON.stringify((classes[0] ?? type).slice(0, 80))
  const family = modelFamilies.find(
    ({ id, architectures }) => id === type && (classes.length === 0 || classes.some((c) => architectures.includes(c))),
  )
  try {
    if (!family) {
      const known = modelFamilies.map(({ title }) => title).join(', ')
      throw settings.unsupported('architectures', `${label} is none of the families that can be run (${known})`)
    }
    return { family, model: family.build(settings, source.tensors) }
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'unsupported') throw error
    notices.push(error.message)
    return null
  }
}

const shownMetadata = 12

function assemble(
  path: string,
  name: string,
  source: SafetensorsSource,
  files: string[],
  notices: string[],
  built: Built | null,
  assets: LanguageAssets = noAssets,
): Network {
  const model = built?.model
  const used = new Set(model?.layers.map((layer) => layer.name))
  const loose = looseLayers(source, used)
  if (!model) notices.push(tensorsOnlyNotice)
  // Old checkpoints store the rotary frequencies, which the graph computes itself.
  const unused = loose.filter((layer) => !layer.name.endsWith('.inv_freq'))
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
    format: 'safetensors',
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
    notices,
    card: {
      ...model?.card,
      ...Object.fromEntries(metadata.map(([key, value]) => [`metadata: ${key.slice(0, 60)}`, value.slice(0, 200)])),
    },
    files,
  }
}

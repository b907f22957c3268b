// A Hugging Face folder: config.json, model.safetensors or shards with their index, perhaps a tokenizer. Finds the files;
// every name that comes out of a file goes through containment.
import { opendirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { cacheLinkTargets, resolveInside } from './containment.ts'
import { readSmallFile } from './file.ts'
import { type JsonMap, parseJsonObject } from './json.ts'
import { type SafetensorsSource, openSafetensors } from './safetensors.ts'

const configLimit = 4 << 20
const indexLimit = 64 << 20
const maxListed = 4096 // entries of a folder that are looked at
const maxShards = 4096
const companions = [
  'tokenizer.json',
  'tokenizer_config.json',
  'generation_config.json',
  'special_tokens_map.json',
  'quantize_config.json',
  'quant_config.json',
]

export interface FolderListing {
  names: string[] // sorted, hidden files (AppleDouble among them) left out
  truncated: boolean
}

/** Names in a folder, at most 4,096. Faults 'not-found' and 'disk'. */
export function listFolder(folder: string, limit = maxListed): FolderListing {
  const names: string[] = []
  try {
    const directory = opendirSync(folder)
    try {
      for (let entry = directory.readSync(), seen = 0; entry !== null; entry = directory.readSync()) {
        if (++seen > limit) return { names: names.sort(), truncated: true }
        if (!entry.name.startsWith('.')) names.push(entry.name)
      }
    } finally {
      directory.closeSync()
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error)
    const kind = code === 'ENOENT' || code === 'ENOTDIR' ? 'not-found' : 'disk'
    throw new Fault(kind, `${folder}: the folder cannot be listed (${code})`, { data: { file: folder }, cause: error })
  }
  return { names: names.sort(), truncated: false }
}

export interface HuggingFaceFolder {
  source: SafetensorsSource
  config: JsonMap | null
  configPath: string
  files: string[] // weights, index, configuration, tokenizer; absolute
  notices: string[]
}

/** Opens the weights (headers only) and reads config.json. Faults name the file and what is wrong with it. */
export function openFolder(folder: string, listing: FolderListing): HuggingFaceFolder {
  const notices: string[] = []
  const linkTargets = cacheLinkTargets(folder)
  const inside = (name: string, field = 'file') => resolveInside(folder, name, { field, linkTargets })
  const has = (name: string) => listing.names.includes(name)
  const weights = findWeights(folder, listing, notices)
  const config = has('config.json') ? readJson(inside('config.json'), configLimit) : null
  const source = openSafetensors(weights.names.map((name) => inside(name)))
  try {
    if (weights.map) checkIndex(folder, weights.map, source, notices)
  } catch (error) {
    source.close()
    throw error
  }
  const others = [...(config ? ['config.json'] : []), ...weights.index, ...companions.filter(has)]
  return {
    source,
    config,
    configPath: join(folder, 'config.json'),
    files: [...weights.names, ...others].map((name) => inside(name)),
    notices,
  }
}

interface Weights {
  names: string[]
  index: string[] // name of the index file, if one was used
  map: ReadonlyMap<string, string> | null // tensor -> file, as the index says
}

function findWeights(folder: string, { names, truncated }: FolderListing, notices: string[]): Weights {
  if (names.includes('model.safetensors')) return { names: ['model.safetensors'], index: [], map: null }
  const index = names.filter((name) => name.endsWith('.safetensors.index.json'))
  const chosen = index.find((name) => name === 'model.safetensors.index.json') ?? index[0]
  if (chosen !== undefined) {
    const path = resolveInside(folder, chosen, { linkTargets: cacheLinkTargets(folder) })
    const map = readWeightMap(path)
    const shards = [...new Set(map.values())].sort()
    if (shards.length > maxShards) {
      throw new Fault('too-large', `${path}: names ${shards.length} shards, at most ${maxShards} are opened`, {
        data: { file: path, field: 'weight_map' },
      })
    }
    checkShards(folder, path, shards)
    return { names: shards, index: [chosen], map }
  }
  const plain = names.filter((name) => name.endsWith('.safetensors'))
  if (plain.length > 0) {
    checkNumbering(folder, plain)
    if (plain.length > 1) notices.push(`Opened ${plain.length} safetensors files together: the folder has no index.`)
    return { names: plain, index: [], map: null }
  }
  const pickles = names.filter((name) => /\.(bin|pt|pth|ckpt)$/.test(name))
  throw new Fault('not-found', `${folder}: no model.safetensors, no shards and no ONNX file in this folder`, {
    hint:
      pickles.length > 0
        ? `It holds ${pickles[0]}, a format that can run code when it is loaded. Convert it to safetensors first (save_pretrained with safe_serialization).`
        : truncated
          ? `Only the first ${maxListed} entries were looked at. Choose the folder of the model itself.`
          : 'Choose the folder that holds config.json and the weights, or a single file.',
    data: { file: folder, expected: 'model.safetensors or model.safetensors.index.json' },
  })
}

function readWeightMap(path: string): ReadonlyMap<string, string> {
  const map = readJson(path, indexLimit).get('weight_map')
  const bad = (what: string) =>
    new Fault('bad-input', `${path}: ${what}`, { data: { file: path, field: 'weight_map' } })
  if (!(map instanceof Map) || map.size === 0) throw bad('weight_map is not an object that names tensors')
  const files = new Map<string, string>()
  for (const [tensor, file] of map) {
    if (typeof file !== 'string') throw bad(`weight_map ${JSON.stringify(tensor.slice(0, 200))} is not a file name`)
    files.set(tensor, file)
  }
  return files
}

/** Containment for every shard first (a hostile name is worse than a missing one), then all missing ones in one message. */
function checkShards(folder: string, index: string, shards: string[]): void {
  const missing: string[] = []
  for (const shard of shards) {
    try {
      resolveInside(folder, shard, { file: index, field: 'weight_map', linkTargets: cacheLinkTargets(folder) })
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'not-found') throw error
      missing.push(shard)
    }
  }
  if (missing.length > 0) throw missingShards(index, missing, shards.length)
}

const missingShards = (file: string, missing: string[], total: number) =>
  new Fault(
    'not-found',
    `${file}: ${missing.length} of ${total} shards are missing: ${missing.slice(0, 20).join(', ')}`,
    {
      hint: 'Download the missing files into the same folder.',
      data: { file, field: 'weight_map', found: missing.slice(0, 100).join(', ') },
    },
  )

/** Without an index, "-00001-of-00003" in a name still tells how many shards there must be. */
function checkNumbering(folder: string, names: string[]): void {
  const pattern = /^(.*)-([0-9]{5})-of-([0-9]{5})\.safetensors$/
  const parts = pattern.exec(names[0] ?? '')
  const total = Number(parts?.[3] ?? 0)
  if (total === 0 || total > maxShards) return
  const wanted = Array.from(
    { length: total },
    (_, i) => `${parts?.[1]}-${String(i + 1).padStart(5, '0')}-of-${parts?.[3]}.safetensors`,
  )
  const missing = wanted.filter((name) => !names.includes(name))
  if (missing.length > 0) throw missingShards(folder, missing, total)
}

function checkIndex(
  folder: string,
  map: ReadonlyMap<string, string>,
  source: SafetensorsSource,
  notices: string[],
): void {
  for (const [tensor, shard] of map) {
    const info = source.tensors.get(tensor)
    if (
      info &&
      basename(info.file) === basename(resolveInside(folder, shard, { linkTargets: cacheLinkTargets(folder) }))
    ) {
      continue
    }
    throw new Fault(
      'bad-input',
      `${folder}: the index says that ${shard} holds ${JSON.stringify(tensor)}, it does not`,
      {
        hint: 'Index and shards belong to different downloads. Download the folder again.',
        data: { file: join(folder, shard), tensor, field: 'weight_map' },
      },
    )
  }
  const extra = source.tensors.size - map.size
  if (extra > 0) notices.push(`${extra} tensors are in the shards but not in the index.`)
}

const readJson = (path: string, limitBytes: number): JsonMap => parseJsonObject(readSmallFile(path, limitBytes), path)

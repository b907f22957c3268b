// A Hugging Face folder: config.json, weights (safetensors, or the pickles of older ones) in one file or in shards with their
// index, perhaps a tokenizer. Finds the files; every name that comes out of a file goes through containment.
import { opendirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { cacheLinkTargets, resolveInside } from './containment.ts'
import { readSmallFile } from './file.ts'
import { type JsonMap, parseJsonObject } from './json.ts'
import { openPytorch } from './pytorch/source.ts'
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
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'vocab.txt',
  'tokenizer.model',
  'spiece.model',
  'sentencepiece.bpe.model',
  'chat_template.jinja',
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
  format: 'safetensors' | 'pytorch'
  aliases: ReadonlyMap<string, string> // tensors that are the same numbers as another: name -> that one's
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
  const paths = weights.names.map((name) => inside(name))
  const pickled = weights.kind.format === 'pytorch' ? openPytorch(paths) : null
  const source = pickled ?? openSafetensors(paths)
  try {
    if (weights.map) checkIndex(folder, weights.map, source, notices)
    notices.push(...(pickled?.notices ?? []))
  } catch (error) {
    source.close()
    throw error
  }
  const others = [...(config ? ['config.json'] : []), ...weights.index, ...companions.filter(has)]
  return {
    source,
    format: weights.kind.format,
    aliases: pickled?.aliases ?? new Map(),
    config,
    configPath: join(folder, 'config.json'),
    files: [...weights.names, ...others].map((name) => inside(name)),
    notices,
  }
}

/** How the files of one format are called. */
interface WeightKind {
  format: 'safetensors' | 'pytorch'
  whole: string
  file: RegExp
  index: string
  numbered: RegExp
}

// In the order of preference: the same weights often lie there in both.
const weightKinds: readonly WeightKind[] = [
  {
    format: 'safetensors',
    whole: 'model.safetensors',
    file: /\.safetensors$/,
    index: 'model.safetensors.index.json',
    numbered: /^(.*)-([0-9]{5})-of-([0-9]{5})(\.safetensors)$/,
  },
  {
    format: 'pytorch',
    whole: 'pytorch_model.bin',
    // What a training loop leaves there beside the weights is not opened for them.
    file: /^(?!training_args|optimizer|scheduler|scaler|rng_state).*\.(bin|pt|pth|ckpt)$/,
    index: 'pytorch_model.bin.index.json',
    numbered: /^(.*)-([0-9]{5})-of-([0-9]{5})(\.bin)$/,
  },
]

interface Weights {
  kind: WeightKind
  names: string[]
  index: string[] // name of the index file, if one was used
  map: ReadonlyMap<string, string> | null // tensor -> file, as the index says
}

function findWeights(folder: string, { names, truncated }: FolderListing, notices: string[]): Weights {
  for (const kind of weightKinds) {
    const found = findKind(folder, names, kind, notices)
    if (found) return found
  }
  throw new Fault('not-found', `${folder}: no model.safetensors, no shards and no ONNX file in this folder`, {
    hint: truncated
      ? `Only the first ${maxListed} entries were looked at. Choose the folder of the model itself.`
      : 'Choose the folder that holds config.json and the weights, or a single file.',
    data: { file: folder, expected: weightKinds.map(({ whole, index }) => `${whole} or ${index}`).join(', or ') },
  })
}

function findKind(folder: string, names: readonly string[], kind: WeightKind, notices: string[]): Weights | null {
  if (names.includes(kind.whole)) return { kind, names: [kind.whole], index: [], map: null }
  const suffix = kind.index.slice(kind.index.indexOf('.'))
  const index = names.filter((name) => name.endsWith(suffix))
  const chosen = index.find((name) => name === kind.index) ?? index[0]
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
    return { kind, names: shards, index: [chosen], map }
  }
  const plain = names.filter((name) => kind.file.test(name))
  if (plain.length === 0) return null
  const numbered = plain.filter((name) => kind.numbered.test(name))
  // Several pickles without numbers are rarely parts of one model: epochs, or copies.
  if (kind.format === 'pytorch' && plain.length > 1 && numbered.length === 0) {
    throw new Fault('bad-arguments', `${folder}: holds ${plain.length} PyTorch files and no index`, {
      hint: `Choose one of them: ${plain.slice(0, 10).join(', ')}`,
      data: { file: folder },
    })
  }
  const chosenFiles = kind.format === 'pytorch' && numbered.length > 0 ? numbered : plain
  checkNumbering(folder, chosenFiles, kind)
  if (chosenFiles.length > 1)
    notices.push(`Opened ${chosenFiles.length} ${kind.format} files together: the folder has no index.`)
  return { kind, names: chosenFiles, index: [], map: null }
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
function checkNumbering(folder: string, names: string[], { numbered }: WeightKind): void {
  const parts = numbered.exec(names[0] ?? '')
  const total = Number(parts?.[3] ?? 0)
  if (total === 0 || total > maxShards) return
  const wanted = Array.from(
    { length: total },
    (_, i) => `${parts?.[1]}-${String(i + 1).padStart(5, '0')}-of-${parts?.[3]}${parts?.[4]}`,
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

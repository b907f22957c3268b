// A sentence-transformers folder: modules.json lists what comes after the network of config.json, each in a folder of its
// own (1_Pooling, 2_Dense, 3_Normalize). Format: the library's models/ classes and their save() methods.
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Activation } from '../graph/families/activation.ts'
import { Settings } from '../graph/families/config.ts'
import type { DenseModule, Pooling, SentenceModules } from '../graph/families/sentence.ts'
import { cacheLinkTargets, resolveInside } from './containment.ts'
import { readSmallFile } from './file.ts'
import type { FolderListing } from './hf-folder.ts'
import { type Json, parseJson, parseJsonObject } from './json.ts'
import type { TensorSource } from './network.ts'
import { openPytorch } from './pytorch/source.ts'
import { renameSource } from './joined.ts'
import { openSafetensors } from './safetensors.ts'

const mostBytes = 1 << 20
const mostModules = 16
const many = 1 << 24

export interface SentenceFolder {
  modules: SentenceModules
  sources: TensorSource[] // weights of dense modules, named '<folder>.linear.weight'
  files: string[]
}

/** What modules.json says; null where there is none, or where it says nothing beyond the network. Faults 'unsupported'
 *  for a module or pooling that is not known, 'bad-input' for a broken file. */
export function readSentenceFolder(folder: string, { names }: FolderListing): SentenceFolder | null {
  if (!names.includes('modules.json')) return null
  const linkTargets = cacheLinkTargets(folder)
  const inside = (name: string) => resolveInside(folder, name, { field: 'path', linkTargets })
  const file = inside('modules.json')
  const found: SentenceFolder = {
    modules: { pooling: [], dense: [], normalised: false },
    sources: [],
    files: [file],
  }
  try {
    for (const { type, path } of listModules(file)) addModule(found, type, path, inside, file)
  } catch (error) {
    for (const source of found.sources) source.close()
    throw error
  }
  return found.modules.pooling.length > 0 ? found : null
}

function listModules(file: string): { type: string; path: string }[] {
  const list = parseJson(readSmallFile(file, mostBytes), file)
  const bad = (what: string) => new Fault('bad-input', `${file}: ${what}`, { data: { file } })
  if (!Array.isArray(list) || list.length > mostModules) throw bad(`expected a list of at most ${mostModules} modules`)
  return list.map((each: Json, index) => {
    const [type, path] = each instanceof Map ? [each.get('type'), each.get('path')] : []
    if (typeof type !== 'string' || typeof path !== 'string') throw bad(`module ${index} names no type and path`)
    return { type, path }
  })
}

function addModule(
  found: SentenceFolder,
  type: string,
  path: string,
  inside: (name: string) => string,
  file: string,
): void {
  const { modules } = found
  const settings = () => {
    const config = inside(`${path}/config.json`)
    found.files.push(config)
    return new Settings(parseJsonObject(readSmallFile(config, mostBytes), config), config)
  }
  switch (type.split('.').at(-1)) {
    case 'Transformer': // config.json beside it
      return
    case 'Pooling':
      modules.pooling.push(...readPooling(settings()))
      return
    case 'Normalize':
      modules.normalised = true
      return
    case 'Dense': {
      if (modules.normalised) break
      modules.dense.push(readDense(settings(), path))
      const weights = openDense(path, inside)
      found.sources.push(renameSource(weights.source, (name) => `${path}.${name}`))
      found.files.push(weights.file)
      return
    }
  }
  throw new Fault('unsupported', `${file}: the module ${JSON.stringify(type.slice(0, 80))} is not supported here`, {
    data: { file, found: type.slice(0, 200) },
  })
}

function openDense(path: string, inside: (name: string) => string): { source: TensorSource; file: string } {
  try {
    const file = inside(`${path}/model.safetensors`)
    return { file, source: openSafetensors([file]) }
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'not-found') throw error
    const file = inside(`${path}/pytorch_model.bin`)
    return { file, source: openPytorch([file]) }
  }
}

const flags = new Map<string, Pooling>([
  ['pooling_mode_cls_token', 'cls'],
  ['pooling_mode_max_tokens', 'max'],
  ['pooling_mode_mean_tokens', 'mean'],
  ['pooling_mode_mean_sqrt_len_tokens', 'mean-sqrt'],
])

function readPooling(config: Settings): Pooling[] {
  for (const field of ['pooling_mode_weightedmean_tokens', 'pooling_mode_lasttoken']) {
    if (config.flag(field, false)) throw config.unsupported(field, 'this pooling is not supported')
  }
  const chosen = [...flags].filter(([field]) => config.flag(field, false)).map(([, pooling]) => pooling)
  if (chosen.length === 0) throw config.unsupported('pooling_mode_mean_tokens', 'no known pooling is chosen')
  return chosen
}

const dense = new Map<string, Activation | null>([
  ['Identity', null],
  ['Tanh', 'tanh'],
  ['ReLU', 'relu'],
  ['GELU', 'gelu'],
  ['SiLU', 'silu'],
])

function readDense(config: Settings, path: string): DenseModule {
  const name = config.text('activation_function', 'Identity').split('.').at(-1) ?? ''
  const activation = dense.get(name)
  if (activation === undefined) throw config.unsupported('activation_function', 'this function is not supported')
  return {
    module: `${path}.linear`,
    rows: config.integer('out_features', { min: 1, max: many }),
    cols: config.integer('in_features', { min: 1, max: many }),
    bias: config.flag('bias', true),
    activation,
  }
}

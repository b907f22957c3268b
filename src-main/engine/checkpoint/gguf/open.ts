// A GGUF file, or a set of them, as a network: the metadata becomes a Hugging Face configuration, the tensors get their
// Hugging Face names, and the same family builders make the graph.
import { basename, dirname } from 'node:path'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { Settings } from '../../graph/families/config.ts'
import type { Beside } from '../../graph/families/define.ts'
import { toFloat32 } from '../convert.ts'
import { fingerprintOf } from '../fingerprint.ts'
import type { JsonMap } from '../json.ts'
import type { Network } from '../network.ts'
import { buildModel, type BuiltFamily } from '../open-safetensors.ts'
import { looseLayers, tensorsOnlyNotice } from '../tensors-only.ts'
import type { Architecture, GgufContents } from './architectures/define.ts'
import { architectureById, architectures } from './architectures/registry.ts'
import { cardOf, textOf } from './card.ts'
import { mapTensors } from './mapped.ts'
import { type GgufSource, openGguf } from './source.ts'
import { filesOfSet, setName } from './split.ts'
import { checkTokens, tokenizerOf } from './tokenizer/document.ts'

const mostTableBytes = 1 << 20

/** Opens a .gguf file; a part of a split set means the whole set. Faults 'bad-input', 'not-found', 'too-large', 'unsupported'. */
export function openGgufFile(path: string): Network {
  const files = filesOfSet(path)
  const source = openGguf(files)
  try {
    const first = files[0] ?? path
    return {
      ...readModel(source, first),
      path: first,
      name: setName(basename(first)).replace(/\.gguf$/i, ''),
      format: 'gguf',
      fingerprint: fingerprintOf(files, dirname(first)),
      bytes: source.bytes,
      files,
    }
  } catch (error) {
    source.close()
    throw error
  }
}

/** The one model in a folder of GGUF files: its first file. Faults 'bad-arguments' with the list where there are several. */
export function chooseGguf(folder: string, names: readonly string[]): string {
  const models = new Map<string, string>()
  for (const name of names) if (!models.has(setName(name))) models.set(setName(name), name)
  const [only, ...others] = models.values()
  if (only !== undefined && others.length === 0) return only
  throw new Fault('bad-arguments', `${folder}: holds ${models.size} GGUF models`, {
    hint: `Choose one of them: ${[...models.values()].slice(0, 10).join(', ')}`,
    data: { file: folder },
  })
}

function contentsOf(source: GgufSource, path: string, used: Set<string>): GgufContents {
  return {
    file: path,
    metadata: source.header.metadata,
    tensors: source.tensors,
    readTable(name) {
      const info = source.tensors.get(name)
      if (!info || info.bytes > mostTableBytes) return null
      used.add(name)
      return toFloat32(source.read(name), info.dtype)
    },
  }
}

interface Known {
  architecture: Architecture
  config: JsonMap
  settings: Settings
}

/** The configuration, or null with a notice where the architecture or one of its settings is not known. */
function describe(contents: GgufContents, notices: string[]): Known | null {
  if (contents.tensors.size === 0) {
    notices.push('The file has no tensors, only metadata.')
    return null
  }
  const id = textOf(contents.metadata, 'general.architecture')
  const architecture = id === undefined ? undefined : architectureById(id)
  if (!architecture) {
    const known = architectures.map((each) => each.id).join(', ')
    const what =
      id === undefined
        ? 'The file names no architecture'
        : `The architecture ${JSON.stringify(id.slice(0, 60))} is not known`
    notices.push(`${what}. Known are ${known}.`)
    return null
  }
  try {
    const config = architecture.configOf(contents)
    return { architecture, config, settings: new Settings(config, contents.file) }
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'unsupported') throw error
    notices.push(error.message)
    return null
  }
}

/** What a file says about its model, apart from the file itself. */
export type GgufModel = Omit<Network, 'path' | 'name' | 'format' | 'fingerprint' | 'bytes' | 'files'>

/** `path`: of the first file, for messages. */
export function readModel(source: GgufSource, path: string): GgufModel {
  const { header } = source
  const notices: string[] = []
  const used = new Set<string>()
  const contents = contentsOf(source, path, used)
  checkTokens(contents)
  const known = describe(contents, notices)
  const mapped = known ? mapTensors(source, known.architecture.rules(known.settings), used) : null
  const tensors = mapped?.source ?? source
  const built: BuiltFamily | null =
    known && mapped ? buildModel(known.settings, tensors, notices, besideOf(contents, known.architecture)) : null
  const model = built?.model
  if (!model) notices.push(tensorsOnlyNotice)
  const loose = looseLayers(tensors, new Set(model?.layers.map(({ name }) => name)))
  if (model && loose.length > 0) {
    const names = loose.slice(0, 3).map(({ name }) => JSON.stringify(name).slice(1, -1)) // names may hold anything
    notices.push(
      `${loose.length} tensors of the file are not part of the ${built.family.title} graph: ${names.join(', ')}`,
    )
  }
  if (header.trailingBytes > 0) notices.push(`${header.trailingBytes} bytes follow the last tensor; they are not read.`)
  return {
    family: built?.family.id ?? 'tensors-only',
    task: model?.task ?? 'none',
    graph: model?.graph ?? null,
    source: tensors,
    layers: [...(model?.layers ?? []), ...loose],
    blocks: model?.blocks ?? [],
    head: model?.head ?? null,
    config: known?.config ?? null,
    tokenizer: tokenizerOf(contents),
    chatTemplate: textOf(header.metadata, 'tokenizer.chat_template') ?? null,
    ...(model?.cached && { cached: model.cached }),
    ...(model?.tokens && { tokens: model.tokens }),
    notices,
    card: { ...cardOf(header), ...model?.card },
  }
}

/** Pooling of an encoder (llama_pooling_type): what becomes of the hidden states. */
function besideOf(contents: GgufContents, { id }: Architecture): Beside {
  const pooling = textOf(contents.metadata, `${id}.pooling_type`)
  const name = pooling === '1' ? 'mean' : pooling === '2' ? 'cls' : null
  return name === null ? {} : { sentence: { pooling: [name], dense: [], normalised: false } }
}

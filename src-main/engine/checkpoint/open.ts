import { statSync } from 'node:fs'
import { basename, dirname, extname, resolve } from 'node:path'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { CheckpointSummary } from '../../../src-preload/contract/model.ts'
import { analyse } from '../graph/structure.ts'
import { fingerprintOf } from './fingerprint.ts'
import { noAssets } from './assets.ts'
import { listFolder } from './hf-folder.ts'
import { cacheLinkTargets, resolveInside } from './containment.ts'
import { chooseGguf, openGgufFile } from './gguf/open.ts'
import type { Network } from './network.ts'
import { unpackQuantized } from './onnx/quantized/unpack.ts'
import { readOnnx } from './onnx/read.ts'
import { openHuggingFace, openLonePytorch, openLoneSafetensors } from './open-safetensors.ts'
import { type Preprocessor, readPreprocessor } from './preprocessor.ts'
import { sniff } from './sniff.ts'

/**
 * Opens a checkpoint: an ONNX file, a safetensors, GGUF or PyTorch file, or a folder with one. Reads headers only; whoever opened it
 * closes `source`. The format is chosen by content, not by name.
 * Faults: 'not-found', 'bad-input', 'unsupported' (a format that is not read, with what to do), 'forbidden', 'too-large'.
 */
export function openNetwork(path: string): Network {
  if (path === '' || path.includes('\0')) {
    throw new Fault('bad-arguments', 'the path of the checkpoint is empty or holds a NUL character')
  }
  const absolute = resolve(path)
  let isFolder: boolean
  try {
    isFolder = statSync(absolute).isDirectory()
  } catch (error) {
    throw new Fault('not-found', `${path}: no such file or folder (${(error as NodeJS.ErrnoException).code})`, {
      hint: 'Check the path.',
      data: { file: path },
      cause: error,
    })
  }
  if (isFolder) return openFolderPath(absolute)
  const kind = sniff(absolute)
  if (kind === 'onnx') return openOnnx(absolute)
  if (kind === 'gguf') return openGgufFile(absolute)
  const folder = dirname(absolute)
  // A part of a Hugging Face folder means the whole folder.
  const part = /^(pytorch_)?model(-[0-9]{5}-of-[0-9]{5})?\.(safetensors|bin)$/.test(basename(absolute))
  if (part && listFolder(folder).names.includes('config.json')) return openHuggingFace(folder, listFolder(folder))
  return kind === 'pytorch' ? openLonePytorch(absolute) : openLoneSafetensors(absolute)
}

function openFolderPath(folder: string): Network {
  const listing = listFolder(folder)
  const weights = listing.names.some((name) => /\.safetensors(\.index\.json)?$/.test(name))
  const models = listing.names.filter((name) => extname(name).toLowerCase() === '.onnx')
  const [only] = models
  if (!weights && only !== undefined) {
    if (models.length > 1 && !models.includes('model.onnx')) {
      throw new Fault('bad-arguments', `${folder}: holds ${models.length} ONNX files`, {
        hint: `Choose one of them: ${models.slice(0, 10).join(', ')}`,
        data: { file: folder },
      })
    }
    return openOnnx(resolveInside(folder, models.length > 1 ? 'model.onnx' : only))
  }
  const ggufs = listing.names.filter((name) => extname(name).toLowerCase() === '.gguf')
  if (!weights && ggufs.length > 0 && !listing.names.some((name) => /^pytorch_model.*\.bin$/.test(name))) {
    return openGgufFile(resolveInside(folder, chooseGguf(folder, ggufs), { linkTargets: cacheLinkTargets(folder) }))
  }
  return openHuggingFace(folder, listing)
}

/** A file called model.onnx is known by its folder. */
function nameOf(path: string): string {
  const name = basename(path).replace(/\.onnx$/i, '')
  return name === 'model' ? basename(dirname(path)) || name : name
}

/** How images are prepared for an ONNX file of a Hugging Face folder, which often lies in a folder "onnx" of it. */
function imagesBeside(path: string, notices: string[]): Preprocessor | null {
  const folder = dirname(path)
  const home = basename(folder) === 'onnx' ? dirname(folder) : folder
  return readPreprocessor(home, listFolder(home), notices)
}

function openOnnx(path: string): Network {
  const { graph, source: stored, files, bytes, notices, card } = readOnnx(path)
  try {
    const source = unpackQuantized(graph, stored, notices)
    const { layers, blocks, task } = analyse(graph, new Map(source.tensors))
    const images = imagesBeside(path, notices)
    return {
      path,
      name: nameOf(path),
      format: 'onnx',
      family: 'onnx',
      task,
      fingerprint: fingerprintOf(files, dirname(path)),
      bytes,
      graph,
      source,
      layers,
      blocks,
      head: null,
      ...noAssets,
      notices,
      card: { ...card, ...images?.card },
      files,
      ...(images && { images: images.steps }),
    }
  } catch (error) {
    stored.close()
    throw error
  }
}

/** An embedding that the output head multiplies with. */
const tiedOf = ({ head, layers }: Network): string[] =>
  layers.filter(({ name, role }) => role === 'embed' && name === head?.weight).map(({ name }) => name)

/** What a person sees of a checkpoint. */
export function summarise(network: Network): CheckpointSummary {
  return {
    path: network.path,
    name: network.name,
    format: network.format,
    family: network.family,
    task: network.task,
    parameters: network.layers.reduce((sum, layer) => sum + layer.parameters, 0),
    bytes: network.bytes,
    blocks: network.blocks.length,
    layers: network.layers.map(
      ({ name, role, block, expert, shape, dtype, bytes, stored, parameters, compressible }) => ({
        name,
        role,
        block,
        ...(expert !== undefined && { expert }),
        shape,
        dtype,
        bytes: stored?.bytes ?? bytes,
        stored: stored?.type ?? null,
        parameters,
        compressible,
      }),
    ),
    fingerprint: network.fingerprint,
    notices: network.notices,
    exports: [], // told by the exporters (tasks/inspect.ts)
    tied: tiedOf(network),
    licence: null, // told by tasks/inspect.ts
    documents: [
      ...(network.config ? ['config' as const] : []),
      ...(network.tokenizer ? ['tokenizer' as const] : []),
      ...(network.chatTemplate === null ? [] : ['chat-template' as const]),
    ],
    card: network.card,
  }
}

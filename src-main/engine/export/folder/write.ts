// A Hugging Face folder with weights in one or several safetensors files: staged, reopened, compared, then published.
import { basename, join } from 'node:path'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { JsonMap } from '../../checkpoint/json.ts'
import type { TaskContext } from '../../protocol.ts'
import { type CardSubject, modelCard } from '../card/card.ts'
import { copyFiles } from '../companions.ts'
import type { ExportArguments, Exported } from '../define.ts'
import { removeFolders } from '../folders.ts'
import { manifestOf } from '../manifest.ts'
import { type Entry, offsetDigits } from '../safetensors/layout.ts'
import { openStaging, type StagedFile, type Staging } from '../staging.ts'
import { type CompressedLayers, compressLayers } from './artifacts.ts'
import { writeAssets } from './assets.ts'
import { jsonBytes } from './json.ts'
import { fixedBytes, indexOf, shardOf, type Shards, type Slot, slotBytes } from './layout.ts'
import { chooseFolder, type FolderTarget, publishFolder } from './target.ts'

export type FilledSlot = Slot & { chunks: (entry: Entry) => Iterable<Uint8Array> }

/** What a format puts into the folder. */
export interface FolderContent {
  slots: readonly FilledSlot[]
  config: JsonMap | null
  sideFiles: readonly { name: string; content: JsonMap }[]
  loads: CardSubject['loads']
  /** Compares the reopened folder with what was meant; gives what was checked, in words. */
  check: (folder: string, progress: (fraction: number, step: string) => void) => string[]
}

export interface FolderFormat {
  id: string
  title: string
  shards: Shards
  /** Bytes on disk while writing, for the check of free space. */
  plan: (args: ExportArguments) => number
  content: (layers: CompressedLayers) => FolderContent
}

const MANIFEST = 'model.lathe.json'
const INDEX = 'model.safetensors.index.json'
const [COMPRESSED, WRITTEN] = [0.4, 0.75] // shares of the time

export function writeFolder(args: ExportArguments, format: FolderFormat, context: TaskContext): Exported {
  const target = chooseFolder(args.path, args.network, args.overwrite)
  try {
    return stageFolder(target, args, format, context)
  } catch (error) {
    removeFolders(target.made)
    throw error
  }
}

function stageFolder(
  target: FolderTarget,
  args: ExportArguments,
  format: FolderFormat,
  context: TaskContext,
): Exported {
  const { network, artifacts, options, plannedBytes } = args
  const staging = openStaging(target.stagedIn, format.plan(args))
  try {
    const report = (from: number, to: number) => (fraction: number, step: string) =>
      context.progress({ fraction: from + (to - from) * fraction, step })
    const layers = compressLayers(args, staging, report(0, COMPRESSED))
    const content = format.content(layers)
    const files = writeShards(args, content.slots, format.shards, staging, report(COMPRESSED, WRITTEN))
    const besides = writeBesides(args, content, format.shards, staging)
    const verified = [...content.check(staging.folder, report(WRITTEN, 1)), ...notCarried(args)]
    layers.remove()
    const { loads } = content
    const subject = { network, artifacts, options, rows: args.card, verified, loads, manifest: MANIFEST, files }
    const card = modelCard({ ...subject, format: format.title })
    besides.push(staging.write('README.md', (sink) => sink(card)))
    const said = { format: format.id, files, besides, plannedBytes, verified, options }
    staging.write(MANIFEST, (sink) => sink(manifestOf(network, artifacts, said)))
    const names = [...files, ...besides].map(({ name }) => name)
    publishFolder(target, staging, [...names, MANIFEST], network)
    context.progress({ fraction: 1, step: 'done' })
    return {
      format: format.id,
      folder: target.folder,
      files: files.map(({ name, bytes, sha256 }) => ({ path: join(target.folder, name), bytes, sha256 })),
      verified: [...verified, `Beside it: ${[...besides.map(({ name }) => name), MANIFEST].join(', ')}`],
      plannedBytes,
    }
  } finally {
    staging.remove()
  }
}

/** What the source has and this folder has not. */
const notCarried = ({ network }: ExportArguments): string[] =>
  network.files.some((file) => basename(file) === 'modules.json')
    ? ['Not carried: modules.json (pooling of sentence-transformers); this folder gives features of single tokens']
    : []

/** The weight files, in order. */
export function writeShards(
  { network }: ExportArguments,
  slots: readonly FilledSlot[],
  shards: Shards,
  staging: Staging,
  progress: (fraction: number, step: string) => void,
  nameOf = shards.name,
): StagedFile[] {
  const digits = offsetDigits(network)
  const total = slots.reduce((sum, slot) => sum + slotBytes(network, slot.entries, digits), fixedBytes(shards))
  let done = 0
  return Array.from({ length: shards.count }, (_, index) => {
    const own = slots.filter(({ name }) => shards.of(name) === index)
    const writers = new Map(own.flatMap((slot) => slot.entries.map((entry) => [entry.name, slot] as const)))
    const { header, entries } = shardOf(network, own)
    return staging.write(nameOf(index), (sink) => {
      sink(header)
      for (const entry of entries) {
        let bytes = 0
        for (const chunk of writers.get(entry.name)?.chunks(entry) ?? []) {
          sink(chunk)
          bytes += chunk.length
          done += chunk.length
          progress(done / total, `writing ${entry.name}`)
        }
        if (bytes !== entry.bytes)
          throw new Fault('internal', `${entry.name} gave ${bytes} bytes where ${entry.bytes} were announced.`)
      }
    })
  })
}

function writeBesides(
  { network }: ExportArguments,
  { slots, config, sideFiles }: FolderContent,
  shards: Shards,
  staging: Staging,
): StagedFile[] {
  const written: StagedFile[] = []
  const write = (name: string, bytes: Uint8Array) => written.push(staging.write(name, (sink) => sink(bytes)))
  if (shards.count > 1) write(INDEX, new TextEncoder().encode(`${JSON.stringify(indexOf(slots, shards), null, 2)}\n`))
  if (config !== null) write('config.json', jsonBytes(config))
  for (const { name, content } of sideFiles) write(name, jsonBytes(content))
  const own = new Set(['config.json', ...written.map(({ name }) => name)])
  written.push(...copyFiles(network, staging, (name) => !own.has(name)), ...writeAssets(network, staging))
  return written
}

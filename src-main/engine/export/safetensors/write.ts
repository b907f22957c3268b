import { Buffer } from 'node:buffer'
import { join } from 'node:path'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Layer, Network } from '../../checkpoint/network.ts'
import { bitsOf } from '../../graph/ir.ts'
import { packBits } from '../../kernels/bits.ts'
import { encodeScales } from '../../kernels/float16.ts'
import type { TaskContext } from '../../protocol.ts'
import { writeCard } from '../card/write.ts'
import type { ExportArguments, Exported } from '../define.ts'
import { manifestOf } from '../manifest.ts'
import { formOf, type StoredMatrix } from '../onnx/form.ts'
import { artifactReader, type ArtifactReader } from '../onnx/weights.ts'
import { openStaging } from '../staging.ts'
import { checkFile, chooseTarget, type Target, unmake } from '../target.ts'
import {
  describeWeight,
  endingsOf,
  type Entry,
  entryText,
  fixedHeader,
  headerShare,
  metadataText,
  offsetDigits,
  partsOf,
  slotsOf,
} from './layout.ts'
import { requireSafetensors } from './plan.ts'
import { chunksOf, verifyPacked } from './verify.ts'

const FORMAT = 'safetensors'
const TITLE = 'Packed safetensors'
const WRITING = 0.6 // share of the time; the rest is the check

/** Writes the variant as one packed file, checks it, and only then gives it its name. Peak memory is about one layer.
 *  No configuration goes beside it: it would promise tensors that are packed here. */
export async function exportSafetensors(args: ExportArguments, context: TaskContext): Promise<Exported> {
  requireSafetensors(args.network)
  const target = chooseTarget(args.path, '.safetensors', args.network, args.overwrite)
  try {
    return writeInto(target, args, context)
  } catch (error) {
    unmake(target)
    throw error
  }
}

/** A tensor of the file, and where its bytes come from. */
type Item = Entry & { from: { layer: string; part: string } | null }

interface Assembled {
  items: Item[] // in file order
  header: string // padded
  bytes: number // of the file
}

/** The header and the order of tensors. Reads the artifacts' forms, one after the other. */
function assemble(network: Network, compressed: ReadonlySet<string>, artifacts: ArtifactReader): Assembled {
  const endings = endingsOf(network)
  const digits = offsetDigits(network)
  const slots = new Map(slotsOf(network).map((layer): [string, Layer] => [layer.name, layer]))
  const others = [...network.source.tensors.values()].filter(({ name }) => !slots.has(name))
  const items: Item[] = others.map((tensor) => ({ ...tensor, from: null }))
  const weights: string[] = []
  let headerBytes = fixedHeader(network, endings) + headerShare(others, digits)
  for (const [name, layer] of slots) {
    const tensor = network.source.tensors.get(name)
    if (tensor === undefined) throw new Fault('internal', `no tensor ${name}`)
    if (!compressed.has(name)) {
      items.push({ ...tensor, from: null })
      headerBytes += headerShare([tensor], digits)
      continue
    }
    const form = formOf(artifacts(name))
    const parts = partsOf(name, form, endings)
    const description = describeWeight(layer, tensor, form)
    weights.push(description)
    headerBytes += headerShare(parts, digits, description)
    for (const part of parts) items.push({ ...part, from: { layer: name, part: part.part } })
  }
  items.sort((a, b) => bitsOf[b.dtype] - bitsOf[a.dtype] || (a.name < b.name ? -1 : 1))
  let at = 0
  const listed = items.map((item) => {
    const text = entryText(item, { begin: at })
    at += item.bytes
    return text
  })
  const json = `{${[metadataText(network, endings, weights), ...listed].join(',')}}`
  const blanks = headerBytes - 8 - Buffer.byteLength(json)
  if (blanks < 0) throw new Fault('internal', `The header of the packed file is ${-blanks} bytes longer than measured.`)
  return { items, header: json + ' '.repeat(blanks), bytes: headerBytes + at }
}

/** Bytes of one part, as layout.ts draws them. */
function packPart(q: StoredMatrix, part: string): Uint8Array {
  if ('coding' in q) return q.parts[part]?.data ?? new Uint8Array()
  if (part === 'codes') return packBits(q.codes, q.bits)
  return part === 'scales' ? encodeScales(q.scales, q.scaleType) : q.zeros
}

function stream(
  { items, header, bytes }: Assembled,
  network: Network,
  artifacts: ArtifactReader,
  sink: (chunk: Uint8Array) => void,
  context: TaskContext,
): void {
  let done = 0
  const send = (chunk: Uint8Array, name: string): void => {
    sink(chunk)
    done += chunk.length
    context.progress({ fraction: (WRITING * done) / bytes, step: `writing ${name}` })
  }
  const json = Buffer.from(header)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  send(length, 'header')
  send(json, 'header')
  for (const { name, from, bytes: size } of items) {
    if (from !== null) send(packPart(artifacts(from.layer), from.part), name)
    else for (const range of chunksOf(size)) send(network.source.read(name, range), name)
  }
}

function writeInto(target: Target, args: ExportArguments, context: TaskContext): Exported {
  const { network, artifacts, overwrite, plannedBytes } = args
  const compressed = new Set(artifacts.map(({ layer }) => layer))
  const known = new Set(slotsOf(network).map(({ name }) => name))
  for (const { layer } of artifacts) {
    if (!known.has(layer))
      throw new Fault('bad-arguments', `${layer} is no weight of ${network.name} that can be packed.`, {
        data: { file: network.path, tensor: layer },
      })
  }
  const read = artifactReader(args)
  const assembled = assemble(network, compressed, read)
  const staging = openStaging(target.folder, assembled.bytes)
  try {
    const file = staging.write(target.file, (sink) => stream(assembled, network, read, sink, context))
    const verified = verifyPacked(join(staging.folder, target.file), network, compressed, read, (fraction, step) =>
      context.progress({ fraction: WRITING + (1 - WRITING) * fraction, step }),
    )
    const manifest = `${target.file.replace(/\.safetensors$/i, '')}.lathe.json`
    const card = writeCard(staging, target, '.safetensors', overwrite, {
      ...{ network, format: TITLE, files: [file], artifacts, rows: args.card, verified, manifest },
      loads: [{ runtime: 'safetensors, then unpack as its metadata says', line: `safe_open('${target.file}')` }],
    })
    const said = { format: FORMAT, files: [file], besides: [card], plannedBytes, verified }
    staging.write(manifest, (sink) => sink(manifestOf(network, artifacts, said)))
    checkFile(join(target.folder, target.file), network, overwrite)
    for (const name of [card.name, manifest]) checkFile(join(target.folder, name), network, true)
    staging.publish([target.file], overwrite)
    staging.publish([card.name, manifest], true)
    context.progress({ fraction: 1, step: 'done' })
    return {
      format: FORMAT,
      folder: target.folder,
      files: [{ path: join(target.folder, file.name), bytes: file.bytes, sha256: file.sha256 }],
      verified: [...verified, `Beside it: ${card.name}, ${manifest}`],
      plannedBytes,
    }
  } finally {
    staging.remove()
  }
}

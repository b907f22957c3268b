import { join } from 'node:path'
import type { Network } from '../../checkpoint/network.ts'
import { openSafetensors } from '../../checkpoint/safetensors.ts'
import { rowsPerBlock } from '../../quantize/rows.ts'
import type { TaskContext } from '../../protocol.ts'
import { writeCard } from '../card/write.ts'
import type { ExportArguments, Exported } from '../define.ts'
import { type CompressedLayers, compressLayers } from '../folder/artifacts.ts'
import { configFor } from '../folder/config.ts'
import { dequantizeRows } from '../../quantize/dequantize.ts'
import { roundTo, type TargetType, writtenBytes, writtenType } from '../folder/dtype.ts'
import { fixedBytes, shardsOf, slotBytes } from '../folder/layout.ts'
import { verifyFolder } from '../folder/reopen.ts'
import { turnedWeight, verifyTensors, type Wanted } from '../folder/verify.ts'
import { type FilledSlot, writeFolder, writeShards } from '../folder/write.ts'
import { manifestOf } from '../manifest.ts'
import { keptEntry, networkShards } from '../packed/plan.ts'
import { openStaging } from '../staging.ts'
import { checkFile, chooseTarget, unmake } from '../target.ts'

export interface FloatParameters {
  dtype: TargetType
  shardGb: number
}

const ID = 'safetensors-float'
const TITLE = 'Safetensors, float'
const SCRATCH = 2 // the files, and layers that are kept until they are checked

/** Every tensor in floats: compressed layers as the numbers they stand for. */
export function slotsOf(network: Network, dtype: TargetType, { layers, read }: CompressedLayers): FilledSlot[] {
  const layerOf = new Map(network.layers.map((layer) => [layer.name, layer]))
  return [...network.source.tensors.values()].map((tensor) => {
    const entry = keptEntry(network, tensor, dtype)
    const { name } = tensor
    const chunks = (): Iterable<Uint8Array> => {
      if (!layers.has(name)) return writtenBytes(network, tensor, entry.dtype)
      if (layerOf.get(name)?.order === 'cols') return [roundTo(turnedWeight(read(name)), entry.dtype, name)]
      return denseBlocks(name, entry.dtype, read)
    }
    return { name, entries: [entry], chunks }
  })
}

function* denseBlocks(name: string, dtype: FilledSlot['entries'][number]['dtype'], read: CompressedLayers['read']) {
  const matrix = read(name)
  const step = rowsPerBlock(matrix.cols)
  for (let begin = 0; begin < matrix.rows; begin += step)
    yield roundTo(dequantizeRows(matrix, begin, Math.min(begin + step, matrix.rows)), dtype, name, begin * matrix.cols)
}

const wantedOf = (network: Network, dtype: TargetType, { layers, read }: CompressedLayers): Wanted => ({
  ...{ network, compressed: layers, read },
  typeOf(name) {
    const tensor = network.source.tensors.get(name)
    return tensor ? writtenType(network, tensor, dtype) : 'float32'
  },
})

const bytesAll = (network: Network, dtype: TargetType, shardGb: number): number =>
  [...network.source.tensors.values()].reduce(
    (sum, tensor) => sum + slotBytes(network, [keptEntry(network, tensor, dtype)]),
    fixedBytes(networkShards(network, dtype, shardGb)),
  )

const loads = [
  { runtime: 'transformers', line: "AutoModel.from_pretrained('FOLDER')" },
  { runtime: 'vLLM', line: 'vllm serve FOLDER' },
]

export const exportFloatFolder = (args: ExportArguments, { dtype, shardGb }: FloatParameters, context: TaskContext) => {
  const { network } = args
  return writeFolder(
    args,
    {
      ...{ id: ID, title: TITLE },
      shards: networkShards(network, dtype, shardGb),
      plan: () => SCRATCH * bytesAll(network, dtype, shardGb),
      content: (layers) => ({
        slots: slotsOf(network, dtype, layers),
        config: configFor(network, dtype, null),
        sideFiles: [],
        loads: network.config === null ? loadsOf('FOLDER/model.safetensors') : loads,
        check: (folder, progress) => verifyFolder(folder, wantedOf(network, dtype, layers), progress),
      }),
    },
    context,
  )
}

const loadsOf = (file: string) => [{ runtime: 'safetensors', line: `safetensors.torch.load_file('${file}')` }]

/** One file, with its card and manifest beside it. */
export function exportFloatFile(args: ExportArguments, { dtype }: FloatParameters, context: TaskContext): Exported {
  const { network, artifacts, options, overwrite, plannedBytes } = args
  const target = chooseTarget(args.path, '.safetensors', network, overwrite)
  try {
    const staging = openStaging(target.folder, SCRATCH * bytesAll(network, dtype, Infinity))
    try {
      const report = (from: number, to: number) => (fraction: number, step: string) =>
        context.progress({ fraction: from + (to - from) * fraction, step })
      const layers = compressLayers(args, staging, report(0, 0.4))
      const whole = shardsOf([], Infinity)
      const files = writeShards(
        args,
        slotsOf(network, dtype, layers),
        whole,
        staging,
        report(0.4, 0.75),
        () => target.file,
      )
      const source = openSafetensors([join(staging.folder, target.file)])
      let verified: string[]
      try {
        verified = verifyTensors(source, target.file, wantedOf(network, dtype, layers), report(0.75, 1))
      } finally {
        source.close()
      }
      const stem = target.file.replace(/\.safetensors$/i, '')
      const manifest = `${stem}.lathe.json`
      const subject = { network, artifacts, options, rows: args.card, verified, manifest, files, format: TITLE }
      const card = writeCard(staging, target, '.safetensors', overwrite, { ...subject, loads: loadsOf(target.file) })
      const said = { format: ID, files, besides: [card], plannedBytes, verified, options }
      staging.write(manifest, (sink) => sink(manifestOf(network, artifacts, said)))
      checkFile(join(target.folder, target.file), network, overwrite)
      for (const name of [card.name, manifest]) checkFile(join(target.folder, name), network, true)
      staging.publish([target.file], overwrite)
      staging.publish([card.name, manifest], true)
      context.progress({ fraction: 1, step: 'done' })
      return {
        ...{ format: ID, folder: target.folder, plannedBytes },
        files: files.map(({ name, bytes, sha256 }) => ({ path: join(target.folder, name), bytes, sha256 })),
        verified: [...verified, `Beside it: ${card.name}, ${manifest}`],
      }
    } finally {
      staging.remove()
    }
  } catch (error) {
    unmake(target)
    throw error
  }
}

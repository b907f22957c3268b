import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { measureExternal, streamModel } from '../../checkpoint/onnx/encode.ts'
import type { Graph } from '../../graph/ir.ts'
import type { TaskContext } from '../../protocol.ts'
import type { WeightReader } from '../../runtime/types.ts'
import { writeCard } from '../card/write.ts'
import { copyCompanions } from '../companions.ts'
import type { ExportArguments, Exported } from '../define.ts'
import { manifestOf } from '../manifest.ts'
import { openStaging, type StagedFile, type Staging } from '../staging.ts'
import { checkFile, chooseTarget, unmake, type Target } from '../target.ts'
import { assemble } from './assemble.ts'
import type { Style } from './emit-layer.ts'
import { formOf } from './form.ts'
import { artifactReader, exportWeights, variantWeights } from './weights.ts'

/** Protobuf messages end at 2 GiB: above this the large tensors lie in a file beside the model. */
const LARGEST_MODEL_BYTES = 1.9e9
const EXTERNAL_FROM_BYTES = 1 << 20

/** Writes the variant as ONNX, checks it, and only then gives it its name. Peak memory is about one layer while writing;
 *  while checking, one session of the file or of the variant, of a large one one block (verify.ts). */
export async function exportOnnx(
  args: ExportArguments,
  style: Style,
  format: string,
  context: TaskContext,
  limits = { modelBytes: LARGEST_MODEL_BYTES, tensorBytes: EXTERNAL_FROM_BYTES },
): Promise<Exported> {
  const target = chooseTarget(args.path, '.onnx', args.network, args.overwrite)
  try {
    return await writeInto(target, args, style, format, context, limits)
  } catch (error) {
    unmake(target)
    throw error
  }
}

async function writeInto(
  target: Target,
  args: ExportArguments,
  style: Style,
  format: string,
  context: TaskContext,
  limits: { modelBytes: number; tensorBytes: number },
): Promise<Exported> {
  const { network, artifacts, dataset, overwrite, plannedBytes } = args
  const read = artifactReader(args)
  const changed = [...artifacts.map(({ layer }) => layer), ...(args.options?.keys() ?? [])]
  const assembled = assemble(network, new Map(changed.map((layer) => [layer, formOf(read(layer))])), style)
  const whole = measureExternal(assembled.graph, { location: '', thresholdBytes: Infinity }).modelBytes
  const data = whole > limits.modelBytes ? `${target.file}.${contentKey(args)}.data` : null
  const staging = openStaging(target.folder, whole)
  try {
    const weights = exportWeights(network, assembled, read)
    const counted = progressOf(weights, whole, context)
    const files = writeModel(staging, assembled.graph, counted, target.file, data, limits.tensorBytes)
    context.progress({ fraction: 0.7, step: 'checking the written file' })
    const compressed = new Set(changed)
    // Only here: the registry of formats is read by programs that must not load ONNX Runtime.
    const { verifyExport } = await import('./verify.ts')
    const verified = await verifyExport(
      network,
      join(staging.folder, target.file),
      variantWeights(network, compressed, read),
      dataset,
      context.notify,
    )
    const companions = target.companions ? copyCompanions(network, staging, target.folder, overwrite) : []
    const manifest = `${target.file.replace(/\.onnx$/i, '')}.lathe.json`
    const title = style === 'folded' ? 'ONNX, unpacked when loaded' : 'ONNX'
    const card = writeCard(staging, target, '.onnx', overwrite, {
      ...{ network, format: title, files, artifacts, options: args.options, rows: args.card, verified, manifest },
      loads: [{ runtime: 'ONNX Runtime', line: `onnxruntime.InferenceSession('${target.file}')` }],
    })
    const said = { format, files, besides: [card], plannedBytes, verified, options: args.options }
    staging.write(manifest, (sink) => sink(manifestOf(network, artifacts, said)))
    const besides = [...companions, card.name, manifest]
    for (const { name } of files) checkFile(join(target.folder, name), network, overwrite || name !== target.file)
    for (const name of besides) checkFile(join(target.folder, name), network, true)
    // What the model refers to comes before it; the manifest tells that all is there.
    if (data !== null) staging.publish([data], true)
    staging.publish([target.file], overwrite)
    staging.publish(besides, true)
    context.progress({ fraction: 1, step: 'done' })
    return {
      format,
      folder: target.folder,
      files: files.map(({ name, bytes, sha256 }) => ({ path: join(target.folder, name), bytes, sha256 })),
      verified: [...verified, `Beside it: ${besides.join(', ')}`],
      plannedBytes,
    }
  } finally {
    staging.remove()
  }
}

/** The model file first, then its data file where there is one. */
function writeModel(
  staging: Staging,
  graph: Graph,
  weights: WeightReader,
  name: string,
  data: string | null,
  tensorBytes: number,
): StagedFile[] {
  if (data === null) return [staging.write(name, (sink) => streamModel(graph, weights, sink))]
  const models: StagedFile[] = []
  const external = staging.write(data, (toData) => {
    models.push(
      staging.write(name, (toModel) =>
        streamModel(graph, weights, toModel, { location: data, thresholdBytes: tensorBytes, sink: toData }),
      ),
    )
  })
  return [...models, external]
}

/** Part of the data file's name: another recipe never replaces data an older model still refers to. */
function contentKey({ network, artifacts, options }: ExportArguments): string {
  const hash = createHash('sha256').update(network.fingerprint)
  for (const { layer, sha256 } of artifacts) hash.update(`\n${layer} ${sha256}`)
  for (const [layer, { id }] of options ?? []) hash.update(`\n${layer} ${id}`)
  return hash.digest('hex').slice(0, 8)
}

export function progressOf(weights: WeightReader, totalBytes: number, context: TaskContext): WeightReader {
  let done = 0
  return (name) => {
    const bytes = weights(name)
    done += bytes.length
    context.progress({ fraction: 0.7 * Math.min(1, done / totalBytes), step: `writing ${name}` })
    return bytes
  }
}

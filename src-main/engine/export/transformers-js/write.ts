import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { JsonMap } from '../../checkpoint/json.ts'
import { measureExternal, streamModel } from '../../checkpoint/onnx/encode.ts'
import type { TaskContext } from '../../protocol.ts'
import { chosenOptions, modelCard } from '../card/card.ts'
import { copyFiles } from '../companions.ts'
import type { ExportArguments, Exported } from '../define.ts'
import { makeFolders, removeFolders } from '../folders.ts'
import { writeAssets } from '../folder/assets.ts'
import { configFor } from '../folder/config.ts'
import { jsonBytes } from '../folder/json.ts'
import { chooseFolder, type FolderTarget, publishFolder } from '../folder/target.ts'
import { manifestOf } from '../manifest.ts'
import { assemble } from '../onnx/assemble.ts'
import { formOf } from '../onnx/form.ts'
import { artifactReader, exportWeights, variantWeights } from '../onnx/weights.ts'
import { progressOf } from '../onnx/write.ts'
import { openStaging, type StagedFile } from '../staging.ts'
import { namedWidth } from './dtype.ts'
import { generatorNetwork } from './generator.ts'

const FORMAT = 'transformers-js'
const LARGEST_MODEL_BYTES = 1.9e9 // a protobuf message ends at 2 GiB: above, weights lie beside as <model>_data
const EXTERNAL_FROM_BYTES = 1 << 20
const WRITING = 0.7 // share of the time; the rest is the check

/** Writes the folder, runs the model in it, and only then gives it its name. Peak memory is about one layer while writing,
 *  one session of the file or of the variant while checking. */
export async function exportTransformersJs(args: ExportArguments, context: TaskContext): Promise<Exported> {
  const target = chooseFolder(args.path, args.network, args.overwrite)
  try {
    return await stage(target, args, context)
  } catch (error) {
    removeFolders(target.made)
    throw error
  }
}

async function stage(target: FolderTarget, args: ExportArguments, context: TaskContext): Promise<Exported> {
  const { network, artifacts, options, plannedBytes } = args
  const generator = generatorNetwork(network)
  const read = artifactReader(args)
  const chosen = chosenOptions(artifacts, options)
  const compressed = new Set([...chosen].flatMap(([layer, { method }]) => (method === 'keep' ? [] : [layer])))
  const forms = new Map([...compressed].map((layer) => [layer, formOf(read(layer))]))
  const assembled = assemble(generator, forms, 'packed')
  const { dtype, file } = namedWidth(chosen.values())
  const model = `onnx/${file}`
  const whole = measureExternal(assembled.graph, { location: '', thresholdBytes: Infinity }).modelBytes
  const staging = openStaging(target.stagedIn, whole)
  try {
    mkdirSync(join(staging.folder, 'onnx'))
    const weights = progressOf(exportWeights(generator, assembled, read), whole, context)
    const files: StagedFile[] = []
    const external = whole > LARGEST_MODEL_BYTES ? `${model}_data` : null
    if (external === null) files.push(staging.write(model, (sink) => streamModel(assembled.graph, weights, sink)))
    else
      files.push(
        staging.write(external, (toData) => {
          const apart = { location: `${file}_data`, thresholdBytes: EXTERNAL_FROM_BYTES, sink: toData }
          files.push(staging.write(model, (sink) => streamModel(assembled.graph, weights, sink, apart)))
        }),
      )
    context.progress({ fraction: WRITING, step: 'running the written model' })
    const variant = variantWeights(network, compressed, read)
    const path = join(staging.folder, model)
    // Only here: the registry of formats is read by programs that must not load ONNX Runtime.
    const verified = network.cached
      ? await (await import('./verify.ts')).verifyGenerator(network, path, variant, context.notify)
      : await (await import('../onnx/verify.ts')).verifyExport(network, path, variant, args.dataset, context.notify)

    const besides: StagedFile[] = []
    const write = (name: string, bytes: Uint8Array) => besides.push(staging.write(name, (sink) => sink(bytes)))
    write('config.json', jsonBytes(configOf(args, { dtype, isExternal: external !== null })))
    besides.push(...copyFiles(network, staging, (name) => name !== 'config.json'), ...writeAssets(network, staging))
    const manifest = `model_${dtype}.lathe.json`
    const load = `await pipeline(task, folder, { dtype: '${dtype}' })`
    const subject = { network, artifacts, options, rows: args.card, verified, manifest, files }
    const loads = [{ runtime: '@huggingface/transformers', line: load }]
    write('README.md', modelCard({ ...subject, format: 'ONNX for transformers.js', loads, library: 'transformers.js' }))
    const said = { format: FORMAT, files, besides, plannedBytes, verified, options }
    staging.write(manifest, (sink) => sink(manifestOf(network, artifacts, said)))
    if (!target.fresh) makeFolders(join(target.folder, 'onnx'))
    publishFolder(target, staging, [...files, ...besides].map(({ name }) => name).concat(manifest), network)
    context.progress({ fraction: 1, step: 'done' })
    return {
      format: FORMAT,
      folder: target.folder,
      files: files.map(({ name, bytes, sha256 }) => ({ path: join(target.folder, name), bytes, sha256 })),
      verified: [...verified, `Beside it: ${[...besides.map(({ name }) => name), manifest].join(', ')}`],
      plannedBytes,
    }
  } finally {
    staging.remove()
  }
}

/** config.json, which also tells the program which file to take when it is not told. */
function configOf(
  { network }: ExportArguments,
  { dtype, isExternal }: { dtype: string; isExternal: boolean },
): JsonMap {
  const config = configFor(network, 'source', null)
  if (config === null) throw new Fault('internal', `${network.name} has no configuration`)
  const own: JsonMap = new Map([['dtype', dtype]])
  if (isExternal) own.set('use_external_data_format', true)
  config.set('transformers.js_config', own)
  return config
}

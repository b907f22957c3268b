import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { writeArtifact } from '../../quantize/artifact.ts'
import type { CompressedMatrix } from '../../quantize/types.ts'
import type { ExportArguments } from '../define.ts'
import { artifactReader } from '../onnx/weights.ts'
import type { Staging } from '../staging.ts'

export interface CompressedLayers {
  layers: ReadonlySet<string>
  read: (layer: string) => CompressedMatrix
  /** Removes what was kept on disk. */
  remove(): void
}

/** Layers that the recipe or the conversion compresses. */
export const compressedLayers = ({ artifacts, options }: ExportArguments): Set<string> =>
  new Set([
    ...artifacts.map(({ layer }) => layer),
    ...[...(options ?? [])].flatMap(([layer, { method }]) => (method === 'keep' ? [] : [layer])),
  ])

/** The compressed layers of an export. Those without an artifact are compressed once, one after the other, and kept as
 *  artifacts in the staging folder: parts of a layer lie far apart in the file, and the check needs them again. */
export function compressLayers(
  args: ExportArguments,
  staging: Staging,
  progress: (fraction: number, step: string) => void,
): CompressedLayers {
  const { network, options } = args
  const layers = compressedLayers(args)
  const artifacts = [...args.artifacts]
  const known = new Set(network.layers.map(({ name }) => name))
  for (const layer of layers)
    if (!known.has(layer))
      throw new Fault('bad-arguments', `${layer} is no weight of ${network.name}.`, {
        data: { file: network.path, tensor: layer },
      })
  const done = new Set(artifacts.map(({ layer }) => layer))
  const missing = [...layers].filter((layer) => !done.has(layer))
  const fresh = artifactReader(args)
  const scratch = join(staging.folder, '.layers')
  missing.forEach((layer, index) => {
    progress(index / missing.length, `compressing ${layer}`)
    const option = options?.get(layer)
    if (option === undefined) throw new Fault('internal', `no option for ${layer}`)
    const written = writeArtifact(scratch, fresh(layer), { layer, option, methodVersion: 1 })
    artifacts.push({ layer, option, relativeError: 0, ...written })
  })
  return {
    layers,
    read: artifactReader({ network, artifacts }),
    remove: () => rmSync(scratch, { recursive: true, force: true }),
  }
}

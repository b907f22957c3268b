import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { readArtifact, writeArtifact } from '../../quantize/artifact.ts'
import { applyPlain } from '../../quantize/options.ts'
import type { CompressedMatrix } from '../../quantize/types.ts'
import { contextFor } from '../../quantize/weighted.ts'
import type { Network } from '../../checkpoint/network.ts'
import type { ExportArguments } from '../define.ts'
import { weightRows } from '../../checkpoint/weights.ts'
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
  const { network, options, importance } = args
  const layers = compressedLayers(args)
  const pathOf = new Map(args.artifacts.map(({ layer, path }) => [layer, path]))
  const layerOf = new Map(network.layers.map((layer) => [layer.name, layer]))
  const scratch = join(staging.folder, '.layers')
  const missing = [...layers].filter((name) => !pathOf.has(name))
  missing.forEach((name, index) => {
    progress(index / missing.length, `compressing ${name}`)
    const [layer, option] = [layerOf.get(name), options?.get(name)]
    if (!layer || !option) throw unknownLayer(network, name)
    const made = applyPlain(weightRows(network, layer), option, contextFor(layer, option, importance ?? null))
    pathOf.set(name, writeArtifact(scratch, made, { layer: name, option, methodVersion: 1 }).path)
  })
  let last: { name: string; matrix: CompressedMatrix } | null = null
  const read = (name: string): CompressedMatrix => {
    if (last?.name === name) return last.matrix
    const [layer, path] = [layerOf.get(name), pathOf.get(name)]
    if (!layer || path === undefined) throw unknownLayer(network, name)
    const matrix = readArtifact(path)
    if (matrix.rows !== layer.rows || matrix.cols !== layer.cols)
      throw new Fault('bad-input', `${path} does not belong to layer ${name}.`, {
        hint: 'Run the recipe again.',
        data: {
          ...{ file: path, tensor: name },
          expected: `${layer.rows} x ${layer.cols}`,
          found: `${matrix.rows} x ${matrix.cols}`,
        },
      })
    last = { name, matrix }
    return matrix
  }
  return { layers, read, remove: () => rmSync(scratch, { recursive: true, force: true }) }
}

const unknownLayer = (network: Network, name: string): Fault =>
  new Fault('bad-arguments', `${name} is no weight of ${network.name} that is compressed.`, {
    data: { file: network.path, tensor: name },
  })

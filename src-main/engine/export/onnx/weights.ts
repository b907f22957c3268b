import { weightReader, toMemoryOrder, weightRows } from '../../checkpoint/weights.ts'
import type { Layer, Network } from '../../checkpoint/network.ts'
import { readArtifact } from '../../quantize/artifact.ts'
import { applyPlain } from '../../quantize/options.ts'
import { contextFor } from '../../quantize/weighted.ts'
import type { ExportArguments } from '../define.ts'
import { dequantize } from '../../quantize/dequantize.ts'
import { asGrid } from '../../quantize/as-grid.ts'
import { type CompressedMatrix, isBlocks } from '../../quantize/types.ts'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { WeightReader } from '../../runtime/types.ts'
import type { Assembled } from './assemble.ts'
import type { StoredMatrix } from './form.ts'

/** Quantized layers by name, read from their artifacts when asked for; the last one stays in memory. */
type Compressed = Pick<ExportArguments, 'network' | 'artifacts' | 'options' | 'importance'>

export type ArtifactReader = (layer: string) => StoredMatrix

/** Layers with an option and no artifact are compressed when asked for. */
export function artifactReader({ network, artifacts, options, importance }: Compressed): ArtifactReader {
  const pathOf = new Map(artifacts.map(({ layer, path }) => [layer, path]))
  const layerOf = new Map(network.layers.map((layer) => [layer.name, layer]))
  let last: { layer: string; q: StoredMatrix } | null = null
  return (name) => {
    if (last?.layer === name) return last.q
    const path = pathOf.get(name)
    const layer = layerOf.get(name)
    const option = options?.get(name)
    if (path === undefined && option !== undefined && layer !== undefined) {
      const made = applyPlain(weightRows(network, layer), option, contextFor(layer, option, importance ?? null))
      const q = storedOf(made, name)
      last = { layer: name, q }
      return q
    }
    if (path === undefined || layer === undefined) {
      throw new Fault('not-found', `There is no compressed layer ${name} for ${network.name}.`, {
        data: { tensor: name },
      })
    }
    const q = storedOf(readArtifact(path), name)
    checkFits(layer, q, path)
    last = { layer: name, q }
    return q
  }
}

/** Blocks of a GGUF type that are a uniform grid pass; the others only GGUF can hold. */
function storedOf(matrix: CompressedMatrix, layer: string): StoredMatrix {
  const stored = isBlocks(matrix) ? asGrid(matrix) : matrix
  if (stored !== null) return stored
  const type = isBlocks(matrix) ? matrix.type : ''
  throw new Fault('unsupported', `Layer ${layer} is in ${type} blocks, which only a GGUF file can hold.`, {
    hint: 'Export the variant as GGUF, or plan again with the options of this format.',
    data: { tensor: layer, found: type },
  })
}

function checkFits(layer: Layer, q: StoredMatrix, path: string): void {
  if (q.rows === layer.rows && q.cols === layer.cols) return
  throw new Fault('bad-input', `${path} does not belong to layer ${layer.name}.`, {
    hint: 'Run the recipe again.',
    data: {
      file: path,
      tensor: layer.name,
      expected: `${layer.rows} x ${layer.cols}`,
      found: `${q.rows} x ${q.cols}`,
    },
  })
}

/** Bytes of the exported graph's initializers. */
export function exportWeights(network: Network, assembled: Assembled, artifacts: ArtifactReader): WeightReader {
  const original = weightReader(network)
  return (name) => {
    const packed = assembled.payloads.get(name)
    return packed === undefined ? original(name) : packed.payload(artifacts(packed.layer))
  }
}

/** Bytes of the original graph's initializers with compressed layers dequantized: the variant, as it is evaluated. */
export function variantWeights(
  network: Network,
  compressed: ReadonlySet<string>,
  artifacts: ArtifactReader,
): WeightReader {
  const layerOf = new Map(network.layers.map((layer) => [layer.name, layer]))
  const original = weightReader(network)
  return (name) => {
    const layer = layerOf.get(name)
    if (layer === undefined || !compressed.has(name)) return original(name)
    const one = new Map([[name, toMemoryOrder(layer, dequantize(artifacts(name)))]])
    return weightReader(network, one)(name)
  }
}

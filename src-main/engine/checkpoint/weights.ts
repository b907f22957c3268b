// Weights as numbers, always by ranged reads: a tensor is never held in memory twice, and parts of it never whole.
import { Fault } from '../../../src-preload/contract/fault.ts'
import { type DataType, type Graph, type Initializer, bitsOf } from '../graph/ir.ts'
import { rowsOf, type WeightRows } from '../quantize/rows.ts'
import type { WeightMatrix } from '../quantize/types.ts'
import type { WeightReader } from '../runtime/types.ts'
import { fromFloat32, toFloat32 } from './convert.ts'
import type { Layer, Network } from './network.ts'

/**
 * A tensor, or its elements [begin, end), as float32 in memory order. 4-bit types need an even begin.
 * Faults 'not-found' for an unknown name, 'unsupported' for text and complex numbers, 'bad-input' when the file changed.
 */
export function readFloat32(network: Network, tensor: string, range?: { begin: number; end: number }): Float32Array {
  const info = network.source.tensors.get(tensor)
  if (!info) {
    throw new Fault('not-found', `${network.path}: no tensor ${JSON.stringify(tensor)}`, {
      data: { file: network.path, tensor },
    })
  }
  if (!range) return toFloat32(network.source.read(tensor), info.dtype)
  const bits = bitsOf[info.dtype]
  const bytes = { begin: (range.begin * bits) / 8, end: Math.ceil((range.end * bits) / 8) }
  if (!Number.isInteger(bytes.begin)) {
    throw new Fault('internal', `tensor ${tensor}: element ${range.begin} of ${info.dtype} is inside a byte`)
  }
  return toFloat32(network.source.read(tensor, bytes), info.dtype).subarray(0, range.end - range.begin)
}

/**
 * A layer's weight, or its rows [begin, end), as [rows, cols] with rows = output channels.
 * Where memory order is 'cols' the whole tensor is read, since rows lie scattered.
 */
export function readMatrix(network: Network, layer: Layer, rows?: { begin: number; end: number }): WeightMatrix {
  const { begin, end } = rows ?? { begin: 0, end: layer.rows }
  const { cols } = layer
  if (layer.order === 'rows') {
    const range = rows ? { begin: begin * cols, end: end * cols } : undefined
    return { data: readFloat32(network, layer.name, range), rows: end - begin, cols }
  }
  const memory = readFloat32(network, layer.name)
  return { data: transpose(memory, cols, layer.rows, begin, end), rows: end - begin, cols }
}

/** A layer's weights, block by block where they lie in rows; where they lie in columns, read and turned once. */
export function weightRows(network: Network, layer: Layer): WeightRows {
  if (layer.order === 'cols') return rowsOf(readMatrix(network, layer))
  const { rows, cols } = layer
  return { rows, cols, read: (begin, end) => readMatrix(network, layer, { begin, end }).data }
}

/** A whole matrix back in the tensor's memory order. May return the matrix's own array. */
export function toMemoryOrder(layer: Layer, matrix: WeightMatrix): Float32Array {
  if (matrix.rows !== layer.rows || matrix.cols !== layer.cols) {
    throw new Fault(
      'internal',
      `${layer.name}: matrix ${matrix.rows} x ${matrix.cols} for ${layer.rows} x ${layer.cols}`,
    )
  }
  return layer.order === 'rows' ? matrix.data : transpose(matrix.data, matrix.rows, matrix.cols, 0, matrix.cols)
}

const tile = 32 // 32 x 32 floats stay in the first-level cache

/** [height, width] -> [end - begin, height]: columns begin..end become rows. */
function transpose(data: Float32Array, height: number, width: number, begin: number, end: number): Float32Array {
  const out = new Float32Array((end - begin) * height)
  for (let y0 = 0; y0 < height; y0 += tile) {
    const y1 = Math.min(y0 + tile, height)
    for (let x0 = begin; x0 < end; x0 += tile) {
      const x1 = Math.min(x0 + tile, end)
      for (let x = x0; x < x1; x++) {
        for (let y = y0; y < y1; y++) out[(x - begin) * height + y] = data[y * width + x] as number
      }
    }
  }
  return out
}

/** Every initializer of a graph and of its subgraphs; an outer one hides an inner one of the same name. */
function allInitializers(graph: Graph, found = new Map<string, Initializer>()): Map<string, Initializer> {
  for (const [name, initializer] of graph.initializers) if (!found.has(name)) found.set(name, initializer)
  for (const node of graph.nodes) {
    for (const attribute of node.attributes.values()) {
      if (attribute.kind === 'graph') allInitializers(attribute.value, found)
    }
  }
  return found
}

/**
 * Bytes of initializers in the graph's own dtype. `overrides` (float32, the tensor's memory order) stand in for tensors
 * of the same name. float32 overrides are handed on without a copy. Names that are no initializer give the checkpoint's bytes.
 */
export function weightReader(network: Network, overrides?: ReadonlyMap<string, Float32Array>): WeightReader {
  const initializers = network.graph ? allInitializers(network.graph) : new Map<string, Initializer>()
  const dtypeOf = (name: string): DataType | undefined => network.source.tensors.get(name)?.dtype
  return (name) => {
    const initializer = initializers.get(name)
    const source = initializer && 'source' in initializer.data ? initializer.data.source : name
    const override = overrides?.get(name) ?? overrides?.get(source)
    const stored = dtypeOf(source)
    const wanted = initializer?.dtype ?? stored
    if (override) return fromFloat32(override, wanted ?? 'float32')
    if (initializer && 'inline' in initializer.data) return initializer.data.inline
    if (stored === undefined || stored === wanted || wanted === undefined) return network.source.read(source)
    return fromFloat32(readFloat32(network, source), wanted)
  }
}

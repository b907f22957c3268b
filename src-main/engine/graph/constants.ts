// Small tensors that code puts into a graph, and reading those that are already there.
import type { Graph, Initializer } from './ir.ts'

/** int64 tensor; one dimension unless a shape is given. */
export function int64Tensor(name: string, values: readonly number[], shape: number[] = [values.length]): Initializer {
  const data = BigInt64Array.from(values, BigInt)
  return { name, dtype: 'int64', shape, data: { inline: new Uint8Array(data.buffer) } }
}

/** float32 tensor; one dimension unless a shape is given. */
export function float32Tensor(name: string, values: readonly number[], shape: number[] = [values.length]): Initializer {
  const data = Float32Array.from(values)
  return { name, dtype: 'float32', shape, data: { inline: new Uint8Array(data.buffer) } }
}

/** Values of an int64 or int32 constant of the graph (initializer or Constant node); null where it is none. */
export function integersOf(graph: Graph, name: string): number[] | null {
  const maker = graph.initializers.get(name) ? null : graph.nodes.find((node) => node.outputs.includes(name))
  if (maker?.op === 'Constant') {
    const value =
      maker.attributes.get('value') ?? maker.attributes.get('value_ints') ?? maker.attributes.get('value_int')
    if (value?.kind === 'tensor') return integers(value.value)
    if (value?.kind === 'ints') return value.value.map(Number)
    return value?.kind === 'int' ? [Number(value.value)] : null
  }
  const initializer = graph.initializers.get(name)
  return initializer ? integers(initializer) : null
}

function integers(tensor: Initializer): number[] | null {
  if (!('inline' in tensor.data)) return null
  const bytes = tensor.data.inline.slice()
  if (tensor.dtype === 'int64') return Array.from(new BigInt64Array(bytes.buffer), Number)
  return tensor.dtype === 'int32' ? Array.from(new Int32Array(bytes.buffer)) : null
}

// What the passes over a quantized graph share: looking at constants, replacing nodes, and tensors that come out of it.
import { type DataType, type Graph, type Initializer, type Node } from '../../../graph/ir.ts'
import { allNames, freshName, readsOf } from '../../../graph/scope.ts'
import type { DerivedTensor } from '../../derived.ts'
import type { TensorSource } from '../../network.ts'
import type { Header } from './operators.ts'
import { isFloat, type Value, valueOf } from './value.ts'

const mostIntegers = 1024 // axes and shapes; longer lists are data

export class Rewrite {
  readonly graph: Graph
  readonly source: TensorSource
  readonly derived = new Map<string, DerivedTensor>()
  readonly hidden = new Set<string>() // tensors of the file that the graph no longer reads
  private readonly taken: Set<string>

  constructor(graph: Graph, source: TensorSource) {
    this.graph = graph
    this.source = source
    this.taken = allNames(graph)
  }

  /** A name nothing has; `wish` itself, or its decoded form where the file uses that name already. */
  fresh(wish: string): string {
    return freshName(this.taken, this.taken.has(wish) ? `${wish}_decoded` : wish)
  }

  constant(name: string): Initializer | undefined {
    return this.graph.initializers.get(name)
  }

  header(name: string): Header | null {
    const found = this.constant(name)
    if (!found) return null
    const { dtype, shape, data } = found
    const small = 'inline' in data && !isFloat(dtype) && dtype !== 'string' && data.inline.length <= mostIntegers * 8
    return { dtype, shape, integers: small ? Array.from(valueOf(dtype, shape, data.inline).data) : null }
  }

  /** Numbers of a constant, also of one that has left the graph since. */
  value({ dtype, shape, data }: Initializer): Value {
    return valueOf(dtype, shape, 'inline' in data ? data.inline : this.source.read(data.source))
  }

  /** Bytes the file spends on a constant. */
  sizeOf(name: string): number {
    const data = this.constant(name)?.data
    if (!data) return 0
    return 'inline' in data ? data.inline.length : (this.source.tensors.get(data.source)?.bytes ?? 0)
  }

  /** Makes a computed tensor an initializer of the graph under a name that is free. */
  add(name: string, dtype: DataType, shape: number[], tensor: Omit<DerivedTensor, 'info' | 'stored'> & Stored): string {
    const bytes = shape.reduce((all, size) => all * size, dtype === 'float32' ? 4 : 2)
    const { stored, file, ...rest } = tensor
    this.derived.set(name, { ...rest, info: { name, dtype, shape, bytes, file, stored } })
    this.graph.initializers.set(name, { name, dtype, shape, data: { source: name } })
    return name
  }

  /** File that holds a constant. */
  fileOf(name: string): string {
    const data = this.constant(name)?.data
    const own = data && 'source' in data ? this.source.tensors.get(data.source)?.file : undefined
    return own ?? this.source.tensors.values().next().value?.file ?? ''
  }

  /** Takes out nodes and initializers that nothing reads any more. */
  prune(): void {
    const { graph } = this
    const needed = new Set(graph.outputs.map(({ name }) => name))
    const kept: Node[] = []
    for (const node of graph.nodes.toReversed()) {
      // A node none of whose results was ever asked for stays as the file has it, unless a pass made it idle.
      if (!node.outputs.some((output) => needed.has(output)) && this.idle.has(node)) continue
      kept.push(node)
      for (const name of readsOf(node)) needed.add(name)
    }
    graph.nodes = kept.reverse()
    for (const [name, { data }] of graph.initializers) {
      if (needed.has(name) || !this.released.has(name)) continue
      graph.initializers.delete(name)
      if ('source' in data && !this.derived.has(name)) this.hidden.add(data.source)
    }
  }

  /** Nodes and constants that a pass has replaced; `prune` removes them once nobody else reads them. */
  readonly idle = new Set<Node>()
  readonly released = new Set<string>()

  release(node: Node): void {
    this.idle.add(node)
    for (const name of node.inputs) if (this.constant(name)) this.released.add(name)
  }
}

interface Stored {
  stored: { type: string; bytes: number }
  file: string
}

/** The name a person knows a weight by: what quantizing tools append is taken off. */
export const plainName = (name: string): string =>
  name.replace(/([._](quantized|dequantized|DequantizeLinear_Output|Q[248]|qweight|MatMul_Q[248]|codes))+$/i, '') ||
  name

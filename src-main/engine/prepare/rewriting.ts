// Gathers what a preparation does to the weights of a network, and makes the network it gives.
import { Fault } from '../../../src-preload/contract/fault.ts'
import { toFloat32 } from '../checkpoint/convert.ts'
import { type DerivedTensor, deriveSource } from '../checkpoint/derived.ts'
import type { JsonMap } from '../checkpoint/json.ts'
import type { Layer, Network, TensorInfo } from '../checkpoint/network.ts'
import { readFloat32 } from '../checkpoint/weights.ts'
import { bitsOf, type DataType, type Graph, type Initializer, type Node } from '../graph/ir.ts'
import { computedTensor, Kept, type ReadElements, type Step } from './tensors.ts'

export type Runnable = Network & { graph: Graph }

export class Rewriting {
  readonly #network: Runnable
  readonly #steps = new Map<string, Step[]>() // by initializer of the new graph
  readonly #copies = new Map<string, { of: string; reader: Node; layer: Layer }>() // new initializer -> what it is made of
  #config: JsonMap | null

  constructor(network: Runnable) {
    this.#network = network
    this.#config = network.config
  }

  /** An initializer's numbers before this preparation. */
  read(name: string): ReadElements {
    const initializer = this.#initializer(this.#copies.get(name)?.of ?? name)
    if ('inline' in initializer.data) {
      const values = toFloat32(initializer.data.inline, initializer.dtype)
      return (begin, end) => values.slice(begin, end)
    }
    const { source } = initializer.data
    return (begin, end) => {
      const values = readFloat32(this.#network, source, { begin, end })
      // Memory of a file may be shared with other readers: steps work in place.
      return new Float32Array(values)
    }
  }

  /** A small initializer whole. */
  vector(name: string): Float32Array {
    return this.read(name)(0, this.count(name))
  }

  shape(name: string): number[] {
    return this.#initializer(this.#copies.get(name)?.of ?? name).shape
  }

  count(name: string): number {
    return this.shape(name).reduce((product, size) => product * size, 1)
  }

  /** Adds a step to what is done to an initializer. */
  step(name: string, step: Step): void {
    const list = this.#steps.get(name)
    if (list) list.push(step)
    else this.#steps.set(name, [step])
  }

  /** Gives the reader of a weight that others use too a copy of its own, as the head's own matrix where it is one. Returns
   *  its name. The configuration then says that embedding and head are two. */
  separate(weight: string, reader: Node): string {
    const { head, source, graph, layers } = this.#network
    const isHead = head?.weight === weight
    const prefix = weight.startsWith('language_model.model.') ? 'language_model.' : ''
    const taken = (name: string) => graph.initializers.has(name) || (!isHead && source.tensors.has(name))
    let name = isHead ? `${prefix}lm_head.weight` : `${weight}.copy`
    while (taken(name)) name = `${name}_`
    const own = layers.find((layer) => layer.name === weight)
    const role = isHead ? 'head' : (own?.role ?? 'linear')
    const shape = this.shape(weight)
    const [rows = 1, cols = 1] = shape
    const parameters = rows * cols
    const layer: Layer = {
      ...{ name, role, block: null, shape, dtype: 'float32', bytes: parameters * 4, parameters, rows, cols },
      ...{ compressible: true, order: 'rows', op: reader.op },
    }
    this.#copies.set(name, { of: weight, reader, layer })
    this.#steps.set(name, this.#steps.get(name) ?? [])
    if (isHead && this.#config) this.#config = untied(this.#config)
    return name
  }

  #initializer(name: string): Initializer {
    const found = this.#network.graph.initializers.get(name)
    if (found) return found
    throw new Fault('internal', `${this.#network.path}: the graph has no weight ${name}`)
  }

  finish(): Network {
    const network = this.#network
    const { graph, source, head, layers, cached } = network
    const kept = new Kept()
    const derived = new Map<string, DerivedTensor>()
    const sources = new Map<string, string>() // initializer -> tensor that holds its new numbers
    const owners = Map.groupBy(graph.initializers.values(), (each) => sourceOf(each) ?? each.name)
    for (const [name, steps] of this.#steps) {
      const initializer = this.#initializer(this.#copies.get(name)?.of ?? name)
      const shared = (owners.get(sourceOf(initializer) ?? '')?.length ?? 0) > 1
      const tensor = shared || this.#copies.has(name) ? name : (sourceOf(initializer) ?? name)
      const info = infoFor(network, tensor, initializer)
      derived.set(tensor, computedTensor(info, this.read(name), steps, kept))
      sources.set(name, tensor)
    }
    const infos = new Map([...derived].map(([name, { info }]) => [name, info]))
    const rewrite = (given: Graph) => this.#rewriteGraph(given, sources, infos)
    const newHead = head && [...this.#copies].find(([, { of, layer }]) => of === head.weight && layer.role === 'head')
    return {
      ...network,
      graph: rewrite(graph),
      source: deriveSource(source, derived),
      layers: this.#layers(layers, sources, infos),
      head: head && newHead ? { ...head, weight: newHead[0] } : head,
      config: this.#config,
      ...(cached && { cached: () => rewrite(cached()) }),
      ...(newHead && 'head' in network.card && { card: { ...network.card, head: 'its own weights' } }),
    }
  }

  #rewriteGraph(graph: Graph, sources: ReadonlyMap<string, string>, infos: ReadonlyMap<string, TensorInfo>): Graph {
    const initializers = new Map(graph.initializers)
    for (const [name, tensor] of sources) {
      const old = graph.initializers.get(this.#copies.get(name)?.of ?? name)
      const info = infos.get(tensor)
      if (old && info) initializers.set(name, { name, dtype: info.dtype, shape: old.shape, data: { source: tensor } })
    }
    // The graph with a cache has other node objects: readers are known by the value they make.
    const moved = new Map([...this.#copies].map(([name, { of, reader }]) => [reader.outputs[0], { name, of }]))
    const nodes =
      moved.size === 0
        ? graph.nodes
        : graph.nodes.map((node) => {
            const change = moved.get(node.outputs[0])
            const inputs = change && node.inputs.map((input) => (input === change.of ? change.name : input))
            return inputs ? { ...node, inputs } : node
          })
    return { ...graph, nodes, initializers }
  }

  #layers(
    layers: readonly Layer[],
    sources: ReadonlyMap<string, string>,
    infos: ReadonlyMap<string, TensorInfo>,
  ): Layer[] {
    const changed = layers
      .filter(({ name }) => !this.#copies.has(name))
      .map((layer) => {
        const info = infos.get(sources.get(layer.name) ?? '')
        if (!info) return layer
        const { stored: _, ...plain } = layer
        return { ...plain, dtype: info.dtype, bytes: info.bytes }
      })
    // Tensors that no graph uses stay at the end.
    const used = changed.findLastIndex((layer) => layer.op !== '')
    return changed.toSpliced(used + 1, 0, ...[...this.#copies.values()].map(({ layer }) => layer))
  }
}

const sourceOf = ({ data }: Initializer): string | null => ('source' in data ? data.source : null)

/** Computed numbers are float32; in a graph of halves they are what the graph computes in. */
function infoFor({ source, path, format }: Network, name: string, initializer: Initializer): TensorInfo {
  const old = source.tensors.get(name)
  const dtype: DataType = format === 'onnx' && initializer.dtype !== 'float64' ? initializer.dtype : 'float32'
  const count = initializer.shape.reduce((product, size) => product * size, 1)
  return { name, dtype, shape: initializer.shape, bytes: (count * bitsOf[dtype]) / 8, file: old?.file ?? path }
}

/** Embedding and head are two matrices, wherever the configuration speaks of it. */
function untied(config: JsonMap): JsonMap {
  const copy: JsonMap = new Map(config)
  copy.set('tie_word_embeddings', false)
  const inner = copy.get('text_config')
  if (inner instanceof Map) copy.set('text_config', untied(inner))
  return copy
}

// The residual stream of a network: the values that additions join, who writes into it and who reads it.
//   Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits", "Virtual weights and the residual stream"
// Its channels are the last axis of every value but one: the map of a patch convolution, before it is laid flat.
import { attributeInt, attributeInts, type Node } from '../graph/ir.ts'
import { integersOf } from '../graph/constants.ts'
import type { Linear, Wiring } from './linears.ts'
import { findNorms, type Norm, numberOf } from './norms.ts'
import { follow } from './passing.ts'

/** A tensor whose entries along one axis are channels of the stream. */
export interface Channels {
  tensor: string
  axis: number
  node: Node // who uses it so
}

export interface Stream {
  width: number
  writers: Channels[] // weights by their outputs, biases, embeddings, tokens, positions
  norms: { norm: Norm; readers: Linear[] }[]
  readers: Linear[] // of the stream itself
}

/** What stands against treating the network's hidden state as one vector space, in words. */
export class Unfit extends Error {}

/** Faults with `Unfit`. */
export function findStream(wiring: Wiring): Stream {
  const norms = findNorms(wiring)
  const byInput = Map.groupBy(norms, (norm) => norm.input)
  const inside = new Map(norms.flatMap((norm) => [...norm.nodes].map((node) => [node, norm] as const)))
  const read = norms.flatMap((norm) => {
    const found = follow(wiring, norm.output)
    return found.linears.length > 0 && found.others.length === 0 && found.linears[0] !== undefined ? [norm] : []
  })
  const start = read.at(-1)
  if (!start) throw new Unfit('no normalisation in its graph is read by linear layers alone')
  const width = start.size ?? follow(wiring, start.output).linears[0]?.inputs ?? 0
  const walk = new Walk(wiring, width, inside)
  walk.from(start.input)
  const values = [...walk.values]
  return {
    width,
    writers: walk.writers,
    norms: values.flatMap((value) =>
      (byInput.get(value) ?? []).map((norm) => {
        const { linears, others, outputs } = follow(wiring, norm.output)
        const [other] = others
        if (other) throw new Unfit(`what its normalisation ${norm.output} gives is read by ${told(other)}`)
        if (outputs.length > 0) throw new Unfit(`what a normalisation gives (${outputs[0]}) is a result of the network`)
        for (const { inputs } of linears)
          if (inputs !== width) throw new Unfit(`${norm.output} is read as ${inputs} channels, not ${width}`)
        return { norm, readers: linears }
      }),
    ),
    readers: walk.linears,
  }
}

export const told = (node: Node): string => `${node.op} ${node.name || node.outputs[0] || ''}`.trim()

class Walk {
  readonly values = new Set<string>()
  readonly writers: Channels[] = []
  readonly linears: Linear[] = []
  readonly #open: string[] = []
  readonly #wiring: Wiring
  readonly #width: number
  readonly #inside: ReadonlyMap<Node, Norm>

  constructor(wiring: Wiring, width: number, inside: ReadonlyMap<Node, Norm>) {
    this.#wiring = wiring
    this.#width = width
    this.#inside = inside
  }

  from(value: string): void {
    this.#add(value)
    for (let name = this.#open.pop(); name !== undefined; name = this.#open.pop()) {
      this.#made(name)
      this.#read(name)
    }
  }

  #add(value: string): void {
    if (this.values.has(value)) return
    if (this.#wiring.outputs.has(value)) throw new Unfit(`its hidden state ${value} is a result of the network`)
    this.values.add(value)
    this.#open.push(value)
  }

  #write(tensor: string, axis: number, node: Node): void {
    const { shape = [] } = this.#wiring.graph.initializers.get(tensor) ?? {}
    if (shape[axis] !== this.#width) throw new Unfit(`${tensor} does not have ${this.#width} channels`)
    if (!this.writers.some((writer) => writer.tensor === tensor && writer.node === node))
      this.writers.push({ tensor, axis, node })
  }

  /** Where a value of the stream comes from. */
  #made(value: string): void {
    const { graph, makers, linears, uses } = this.#wiring
    const node = makers.get(value)
    if (!node) throw new Unfit(`its hidden state begins at ${value}, an input of the network`)
    const linear = linears.get(node)
    if (linear) {
      this.#write(linear.weight, linear.rows, linear.node)
      if (linear.bias !== null) this.#write(linear.bias, lastAxis(this.#wiring, linear.bias), node)
      return
    }
    const norm = this.#inside.get(node)
    if (norm) {
      const after = norm.output === value
      throw new Unfit(
        after
          ? `normalisations stand in its residual stream (${value}), and their gains cannot be turned with it`
          : `its hidden state ${value} lies inside a normalisation`,
      )
    }
    const constant = (name: string) => uses.constants.has(name)
    const tensor = (name: string) => {
      const plain = this.#plainTensor(name)
      if (plain === null) throw new Unfit(`${name} is added to its hidden state and is no plain weight`)
      this.#write(plain, lastAxis(this.#wiring, plain), node)
    }
    const [first = '', second = ''] = node.inputs
    switch (node.op) {
      case 'Add':
      case 'Sum':
        for (const name of node.inputs)
          if (constant(name)) tensor(name)
          else this.#add(name)
        return
      case 'Concat':
        if (isLast(node, 'axis', null)) break
        for (const name of node.inputs)
          if (constant(name)) tensor(name)
          else this.#add(name)
        return
      case 'Expand':
      case 'Tile':
        if (!constant(first)) break
        tensor(first)
        return
      case 'Gather':
        if (constant(first)) {
          const plain = graph.initializers.get(first)
          if (plain?.shape.length !== 2 || attributeInt(node, 'axis', 0) !== 0) break
          this.#write(first, 1, node)
        } else this.#add(first)
        return
      case 'Mul':
      case 'Div': {
        const from = this.#scaled(node)
        if (from === null) break
        this.#add(from)
        return
      }
      case 'Transpose':
        if (this.#patches(node)) return
        if (!keepsLast(node)) break
        this.#add(first)
        return
      case 'Reshape':
        if (!this.#keepsWidth(second)) break
        this.#add(first)
        return
      case 'Identity':
      case 'Cast':
      case 'Dropout':
        this.#add(first)
        return
      case 'Unsqueeze':
      case 'Squeeze':
      case 'ReduceSum':
      case 'Slice':
        if (!this.#otherAxes(node)) break
        this.#add(first)
        return
      case 'ScatterND':
        if (makers.get(first)?.op !== 'ConstantOfShape') break
        this.#add(node.inputs[2] ?? '')
        return
    }
    throw new Unfit(`its hidden state ${value} is made by ${told(node)}, which is not known to keep its channels`)
  }

  /** Who reads a value of the stream. */
  #read(value: string): void {
    for (const node of this.#wiring.readers.get(value) ?? []) {
      const norm = this.#inside.get(node)
      if (norm?.input === value) continue
      const linear = this.#wiring.linears.get(node)
      if (linear?.node === node && linear.input === value) {
        if (linear.inputs !== this.#width) throw new Unfit(`${linear.weight} reads ${linear.inputs} channels`)
        this.linears.push(linear)
        continue
      }
      // The bias of a linear layer that writes.
      if (linear && linear.node !== node) this.#add(linear.output)
      else if (node.op !== 'Shape' && node.op !== 'Size') this.#forward(node, value)
    }
  }

  #forward(node: Node, value: string): void {
    const [first = '', second = ''] = node.inputs
    const [output = ''] = node.outputs
    const passes =
      /^(Add|Sum|Identity|Cast|Dropout)$/.test(node.op) ||
      (node.op === 'Concat' && !isLast(node, 'axis', null)) ||
      (node.op === 'Transpose' && keepsLast(node)) ||
      (node.op === 'Reshape' && first === value && this.#keepsWidth(second)) ||
      (/^(Unsqueeze|Squeeze|ReduceSum|Slice)$/.test(node.op) && this.#otherAxes(node)) ||
      (node.op === 'Gather' && first === value && !isLast(node, 'axis', 0)) ||
      (node.op === 'ScatterND' && node.inputs[2] === value) ||
      (/^(Mul|Div)$/.test(node.op) && this.#scaled(node) === value)
    if (!passes) throw new Unfit(`its hidden state ${value} is read by ${told(node)}`)
    this.#add(output)
  }

  /** An initializer, or one that is only laid out anew. */
  #plainTensor(name: string): string | null {
    const { graph, makers } = this.#wiring
    if (graph.initializers.has(name)) return name
    const node = makers.get(name)
    const passes = node && /^(Reshape|Unsqueeze|Squeeze|Identity|Cast|Expand|Tile)$/.test(node.op)
    return passes ? this.#plainTensor(node.inputs[0] ?? '') : null
  }

  /** The factor that a number, or one number for each token, multiplies; null where neither does. */
  #scaled(node: Node): string | null {
    const [a = '', b = ''] = node.inputs
    if (this.#perToken(b)) return a
    return node.op === 'Mul' && this.#perToken(a) ? b : null
  }

  #perToken(name: string): boolean {
    const { graph, makers, linears, uses } = this.#wiring
    if (uses.constants.has(name)) {
      const shape = graph.initializers.get(name)?.shape
      return shape ? shape.every((size) => size === 1) : numberOf(this.#wiring, name) !== null
    }
    const node = makers.get(name)
    if (!node) return false
    if (node.op === 'Sigmoid') return this.#perToken(node.inputs[0] ?? '')
    const linear = linears.get(node)
    if (linear) return linear.outputs === 1
    return node.op === 'Unsqueeze' && axesOf(this.#wiring, node)?.join() === '-1'
  }

  /** The map of a convolution becomes a row of tokens: [N, C, h, w] -> [N, h w, C] or [N, h, w, C]. */
  #patches(node: Node): boolean {
    const { makers, graph } = this.#wiring
    const perm = attributeInts(node, 'perm')?.join()
    const before = makers.get(node.inputs[0] ?? '')
    const flat = perm === '0,2,1' && /^(Reshape|Flatten)$/.test(before?.op ?? '')
    const map = flat ? makers.get(before?.inputs[0] ?? '') : perm === '0,2,3,1' ? before : undefined
    if (map?.op !== 'Conv') return false
    const [, weight = '', bias = ''] = map.inputs
    if (!graph.initializers.has(weight)) throw new Unfit(`the weight of ${told(map)} is computed`)
    this.#write(weight, 0, map)
    if (bias !== '') this.#write(bias, 0, map)
    return true
  }

  /** Whether a shape ends in the stream's width. */
  #keepsWidth(shape: string): boolean {
    const constant = integersOf(this.#wiring.graph, shape)
    if (constant) return constant.at(-1) === this.#width
    const node = this.#wiring.makers.get(shape)
    if (node?.op === 'Concat') return this.#keepsWidth(node.inputs.at(-1) ?? '')
    return node?.op === 'Unsqueeze' && this.#keepsWidth(node.inputs[0] ?? '')
  }

  #otherAxes(node: Node): boolean {
    const axes = axesOf(this.#wiring, node)
    // Values of a stream have at least two axes: rows and channels.
    return axes !== null && axes.every((axis) => axis === 0 || axis === 1 || axis < -1)
  }
}

function axesOf({ graph }: Wiring, node: Node): number[] | null {
  const slot = node.op === 'Slice' ? 3 : 1
  return attributeInts(node, 'axes') ?? integersOf(graph, node.inputs[slot] ?? '')
}

function isLast(node: Node, attribute: string, fallback: number | null): boolean {
  const axis = attributeInt(node, attribute, fallback ?? -1)
  return axis < 0 || axis > 1
}

function keepsLast(node: Node): boolean {
  const perm = attributeInts(node, 'perm')
  return perm !== null && perm.at(-1) === perm.length - 1
}

/** The axis of a vector that is as long as it is. */
function lastAxis({ graph }: Wiring, name: string): number {
  return (graph.initializers.get(name)?.shape.length ?? 1) - 1
}

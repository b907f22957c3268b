// From a value through operators that leave the last axis alone to the linear layers that read it.
import { attributeInt, attributeInts, type Node } from '../graph/ir.ts'
import { integersOf } from '../graph/constants.ts'
import type { Linear, Wiring } from './linears.ts'

export interface Readers {
  linears: Linear[]
  others: Node[] // what else reads it
  outputs: string[] // of the graph
}

/** Everything that reads a value, directly or behind operators that treat each channel by itself and linearly: constant
 *  vectors along the channels pass through them unchanged. */
export function follow(wiring: Wiring, start: string): Readers {
  const found: Readers = { linears: [], others: [], outputs: [] }
  const seen = new Set<string>()
  const open = [start]
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (seen.has(value)) continue
    seen.add(value)
    if (wiring.outputs.has(value)) found.outputs.push(value)
    for (const node of wiring.readers.get(value) ?? []) {
      const linear = wiring.linears.get(node)
      if (linear?.node === node && linear.input === value) found.linears.push(linear)
      else if (node.op === 'Shape' || node.op === 'Size') continue
      else if (passes(wiring, node, value)) open.push(node.outputs[0] ?? '')
      else found.others.push(node)
    }
  }
  return found
}

/** Rows are taken, moved or averaged; channels stay. */
function passes({ graph }: Wiring, node: Node, value: string): boolean {
  if (node.inputs[0] !== value) return false
  const axes = () => attributeInts(node, 'axes') ?? integersOf(graph, node.inputs[1] ?? '')
  switch (node.op) {
    case 'Identity':
    case 'Cast':
    case 'Dropout':
      return true
    case 'Reshape': {
      const shape = lastOf(graph, node.inputs[1] ?? '')
      return shape !== null && shape > 1
    }
    case 'Transpose': {
      const perm = attributeInts(node, 'perm')
      return perm?.at(-1) === perm!.length - 1
    }
    case 'Gather': {
      const axis = attributeInt(node, 'axis', 0)
      return axis === 0 || axis === 1
    }
    case 'Unsqueeze':
    case 'Squeeze':
    case 'ReduceMean':
      return axes()?.every((axis) => axis === 0 || axis === 1 || axis < -1) === true
    default:
      return false
  }
}

/** The last number of a shape, where it is a constant. */
function lastOf(graph: Wiring['graph'], shape: string): number | null {
  const constant = integersOf(graph, shape)
  if (constant) return constant.at(-1) ?? null
  const maker = graph.nodes.find((node) => node.outputs.includes(shape))
  if (maker?.op === 'Concat' || maker?.op === 'Unsqueeze')
    return lastOf(graph, maker.inputs.at(maker.op === 'Concat' ? -1 : 0) ?? '')
  return null
}

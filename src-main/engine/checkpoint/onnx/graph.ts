// GraphProto, NodeProto and AttributeProto -> IR. Tensors stay in the file except small constants.
import type { Attribute, Graph, Initializer, Node } from '../../graph/ir.ts'
import { type Context, deferTensor, inlineTensor, isSmall, isWeightLike, spend } from './context.ts'
import { attributeMessage, attributeTypes, graphMessage, limits, nodeMessage } from './schema.ts'
import { readTensor, type TensorRecord } from './tensor.ts'
import { readValue } from './value.ts'
import type { Wire } from './wire.ts'

export const emptyGraph = (): Graph => ({
  name: '',
  irVersion: 0,
  opsets: new Map(),
  nodes: [],
  inputs: [],
  outputs: [],
  initializers: new Map(),
  values: new Map(),
  functions: [],
  metadata: new Map(),
  producer: '',
})

/** Reads the GraphProto that `wire` is visiting. */
export function readGraph(wire: Wire, context: Context): Graph {
  const graph = emptyGraph()
  wire.message(graphMessage, (field) => {
    switch (field) {
      case 1:
        if (++context.nodes > limits.nodes) throw wire.fault(`more than ${limits.nodes} nodes`, { code: 'too-large' })
        return readNode(wire, context, graph)
      case 2:
        graph.name = wire.text()
        return
      case 5: {
        if (++context.initializers > limits.initializers) {
          throw wire.fault(`more than ${limits.initializers} initializers`, { code: 'too-large' })
        }
        const record = readTensor(wire)
        if (record.name === '') throw wire.fault('an initializer without a name')
        return addInitializer(wire, graph, hold(context, record.name, record, wire))
      }
      case 11:
        graph.inputs.push(readValue(wire))
        return
      case 12:
        graph.outputs.push(readValue(wire))
        return
      case 13: {
        const value = readValue(wire)
        graph.values.set(value.name, value)
        return
      }
      case 14:
        context.notices.add('Quantization annotations of the file are not kept.')
        return
      case 15:
        throw wire.fault('a sparse initializer', {
          code: 'unsupported',
          hint: 'Export the model with dense weights.',
        })
    }
  })
  graph.inputs = graph.inputs.filter((input) => !graph.initializers.has(input.name))
  return graph
}

const hold = (context: Context, name: string, record: TensorRecord, wire: Wire): Initializer =>
  isSmall(record) ? { ...inlineTensor(context, record, wire), name } : deferTensor(context, name, record)

function addInitializer(wire: Wire, graph: Graph, initializer: Initializer): void {
  if (graph.initializers.has(initializer.name)) {
    throw wire.fault(`the name "${initializer.name}" is given twice`, { tensor: initializer.name })
  }
  graph.initializers.set(initializer.name, initializer)
}

type ParsedAttribute = { attribute: Attribute } | { tensor: TensorRecord }

function readNode(wire: Wire, context: Context, graph: Graph): void {
  const at = wire.begin
  const node: Node = { name: '', op: '', domain: '', inputs: [], outputs: [], attributes: new Map() }
  const tensors = new Map<string, TensorRecord>()
  wire.message(nodeMessage, (field) => {
    switch (field) {
      case 1:
        node.inputs.push(wire.text())
        return
      case 2:
        node.outputs.push(wire.text())
        return
      case 3:
        node.name = wire.text()
        return
      case 4:
        node.op = wire.text()
        return
      case 5: {
        const [name, parsed] = readAttribute(wire, context)
        if (node.attributes.has(name) || tensors.has(name)) throw wire.fault(`the attribute "${name}" twice`)
        if ('tensor' in parsed) tensors.set(name, parsed.tensor)
        else node.attributes.set(name, parsed.attribute)
        return
      }
      case 7: {
        const domain = wire.text()
        node.domain = domain === 'ai.onnx' ? '' : domain
        return
      }
      case 8:
        if (wire.stop > wire.begin) throw wire.fault('an overloaded function call', { code: 'unsupported' })
    }
  })
  if (node.op === '') throw wire.fault(`node "${node.name}" names no operator`, { at })
  if (limits.listItems < node.inputs.length + node.outputs.length) {
    throw wire.fault(`node "${node.name}" has ${node.inputs.length + node.outputs.length} values`, {
      at,
      code: 'too-large',
    })
  }
  const value = tensors.get('value')
  const output = node.outputs[0]
  if (node.op === 'Constant' && node.domain === '' && value && output && isWeightLike(value)) {
    return addInitializer(wire, graph, deferTensor(context, output, value))
  }
  for (const [name, tensor] of tensors) {
    node.attributes.set(name, { kind: 'tensor', value: inlineTensor(context, tensor, wire) })
  }
  graph.nodes.push(node)
}

function readAttribute(wire: Wire, context: Context): [string, ParsedAttribute] {
  const { begin, stop } = wire
  // Every byte of a list becomes at most one element; a longer one is carried as it is.
  const carry = stop - begin > limits.listItems
  let name = ''
  let type = 0
  let reference = false
  let float = 0
  let int = 0n
  let string: Uint8Array = new Uint8Array(0)
  let tensor: TensorRecord | null = null
  let graph: Graph | null = null
  const floats: number[] = []
  const ints: bigint[] = []
  const strings: Uint8Array[] = []
  const seen = new Set<number>()

  wire.message(attributeMessage, (field) => {
    if (field >= 2 && field <= 9) seen.add(field)
    switch (field) {
      case 1:
        name = wire.text()
        return
      case 2:
        float = wire.float()
        return
      case 3:
        int = wire.big()
        return
      case 4:
        spend(context, wire.stop - wire.begin, wire)
        string = wire.bytes()
        return
      case 5:
        if (tensor) throw wire.fault('two tensors in one attribute')
        tensor = readTensor(wire)
        return
      case 6:
        if (graph) throw wire.fault('two graphs in one attribute')
        graph = readGraph(wire, context)
        return
      case 7: {
        if (carry) return
        if (wire.type === 5) return void floats.push(wire.float())
        if (wire.type !== 2 || (wire.stop - wire.begin) % 4 !== 0) throw wire.fault('floats of another size')
        const { stop } = wire
        for (let at = wire.begin; at < stop; at += 4) floats.push(wire.floatAt(at))
        return
      }
      case 8:
        return carry ? undefined : wire.varints(() => ints.push(wire.lastBig()))
      case 9:
        if (carry) return
        spend(context, wire.stop - wire.begin + 64, wire)
        strings.push(wire.bytes())
        return
      case 11:
        throw wire.fault('an attribute that holds a list of graphs', { code: 'unsupported' })
      case 20:
        type = wire.integer()
        return
      case 21:
        reference = wire.stop > wire.begin
    }
  })
  if (name === '') throw wire.fault('an attribute without a name', { at: begin })
  // Files before IR version 2 left the type out: fields 2 to 9 hold the types 1 to 8.
  if (type === 0) type = Math.max(1, ...seen) - 1
  if (!(type >= 1 && type <= 14)) throw wire.fault(`attribute "${name}" has the type ${type}`, { at: begin })
  spend(context, 16 * (ints.length + floats.length), wire)
  const raw = (): [string, ParsedAttribute] => {
    spend(context, stop - begin, wire)
    return [name, { attribute: { kind: 'raw', value: wire.slice(begin, stop) } }]
  }
  if (reference || (carry && type >= attributeTypes.floats)) return raw()
  switch (type) {
    case attributeTypes.float:
      return [name, { attribute: { kind: 'float', value: float } }]
    case attributeTypes.int:
      return [name, { attribute: { kind: 'int', value: int } }]
    case attributeTypes.string:
      return [name, { attribute: { kind: 'string', value: string } }]
    case attributeTypes.tensor:
      if (!tensor) throw wire.fault(`attribute "${name}" has no tensor`, { at: begin })
      return [name, { tensor }]
    case attributeTypes.graph:
      if (!graph) throw wire.fault(`attribute "${name}" has no graph`, { at: begin })
      return [name, { attribute: { kind: 'graph', value: graph } }]
    case attributeTypes.floats:
      return [name, { attribute: { kind: 'floats', value: floats } }]
    case attributeTypes.ints:
      return [name, { attribute: { kind: 'ints', value: ints } }]
    case attributeTypes.strings:
      return [name, { attribute: { kind: 'strings', value: strings } }]
    default:
      return raw()
  }
}

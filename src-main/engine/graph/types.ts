// Element types of values, where the file does not give them: a type follows from the operator and its inputs.
// Source: type constraints of the ONNX operator schemas.
import { Fault } from '../../../src-preload/contract/fault.ts'
import { attributeInt, type DataType, dataTypes, type Graph, type Node, type ValueInfo } from './ir.ts'
import { createRanks } from './rank.ts'

const booleans = new Set(
  'Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor Not IsNaN IsInf OptionalHasElement RegexFullMatch'.split(
    ' ',
  ),
)
const integers = new Set('Shape Size ArgMax ArgMin NonZero NonMaxSuppression StringSplit'.split(' '))
/** Operators whose result has the type of an input other than the first. */
const typedBy: Record<string, number> = { Where: 1, OneHot: 2, CastLike: 1, DequantizeLinear: 1, Compress: 0 }
/** Types of the second, third ... result where they differ from the first. */
const later: Record<string, DataType[]> = {
  TopK: ['int64'],
  MaxPool: ['int64'],
  Dropout: ['bool'],
  Unique: ['int64', 'int64', 'int64'],
  DynamicQuantizeLinear: ['float32', 'uint8'],
}

/** Type of a value of the graph; looks through producers as far as needed. Faults 'unsupported' where it cannot know. */
export function createTypes(graph: Graph): (name: string) => DataType {
  const known = new Map<string, DataType>()
  for (const value of [...graph.values.values(), ...graph.outputs, ...graph.inputs]) {
    if (value.dtype !== 'undefined') known.set(value.name, value.dtype)
  }
  for (const initializer of graph.initializers.values()) known.set(initializer.name, initializer.dtype)
  const makers = new Map<string, Node>()
  for (const node of graph.nodes) for (const output of node.outputs) makers.set(output, node)

  return (name) => {
    // A chain of unknown types is followed with an explicit stack: it may be as long as the graph.
    const stack = [name]
    const waiting = new Set(stack)
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const maker = makers.get(top)
      const found = known.get(top) ?? (maker ? fixedType(maker, top) : null)
      if (found) {
        known.set(top, found)
        stack.pop()
        continue
      }
      const source = maker?.inputs[typedBy[maker.op] ?? maker.inputs.findIndex((input) => input !== '')]
      const sourceType = source === undefined ? undefined : known.get(source)
      if (sourceType) {
        known.set(top, sourceType)
        stack.pop()
      } else if (source === undefined || waiting.has(source)) {
        throw new Fault('unsupported', `The type of the value "${name}" is not known.`, { data: { field: name } })
      } else {
        stack.push(source)
        waiting.add(source)
      }
    }
    return known.get(name) ?? 'float32'
  }
}

/** Type that the operator alone decides; null where it follows an input. */
function fixedType(node: Node, output: string): DataType | null {
  const at = node.outputs.indexOf(output)
  const extra = at > 0 ? later[node.op]?.[at - 1] : undefined
  if (extra) return extra
  if (booleans.has(node.op)) return 'bool'
  if (integers.has(node.op)) return 'int64'
  switch (node.op) {
    case 'Cast':
    case 'EyeLike':
    case 'RandomNormal':
    case 'RandomUniform':
    case 'Bernoulli':
      return node.attributes.has(node.op === 'Cast' ? 'to' : 'dtype')
        ? (dataTypes[attributeInt(node, node.op === 'Cast' ? 'to' : 'dtype', 1)] ?? null)
        : node.op.startsWith('Random')
          ? 'float32'
          : null
    case 'Constant':
    case 'ConstantOfShape': {
      const value = node.attributes.get('value')
      if (value?.kind === 'tensor') return value.value.dtype
      if (node.attributes.has('value_int') || node.attributes.has('value_ints')) return 'int64'
      return node.attributes.has('value_string') || node.attributes.has('value_strings') ? 'string' : 'float32'
    }
    case 'ConvInteger':
    case 'MatMulInteger':
      return 'int32'
    case 'QuantizeLinear':
    case 'DynamicQuantizeLinear':
      return node.inputs[2] && node.op === 'QuantizeLinear' ? null : 'uint8'
    case 'If':
    case 'Loop': {
      const branch = node.attributes.get(node.op === 'If' ? 'then_branch' : 'body')
      if (branch?.kind !== 'graph') return null
      const result = branch.value.outputs[at + (node.op === 'Loop' ? 1 : 0)]
      if (!result) return null
      return result.dtype === 'undefined' ? createTypes(branch.value)(result.name) : result.dtype
    }
    default:
      return null
  }
}

/** A value as it can stand among a graph's inputs or outputs: its shape where the file gives it, else its rank. */
export function createDescriptions(graph: Graph): (name: string) => ValueInfo {
  const given = new Map(
    [...graph.values.values(), ...graph.outputs, ...graph.inputs].map((value) => [value.name, value]),
  )
  const typeOf = createTypes(graph)
  const rankOf = createRanks(graph)
  return (name) => {
    const value = given.get(name)
    if (value && (value.dtype !== 'undefined' || value.type)) return value
    const rank = rankOf(name)
    return { name, dtype: typeOf(name), shape: rank === null ? null : Array<null>(rank).fill(null) }
  }
}

// Constant expressions that compute a weight (DequantizeLinear of stored codes, scales multiplied in, bits unpacked) become
// that weight, computed when it is read. Pure rearrangements of a stored float weight stay nodes: structure.ts sees through.
import { attributeInt, type Node } from '../../../graph/ir.ts'
import { Fault } from '../../../../../src-preload/contract/fault.ts'
import { constantOperators, type Header } from './operators.ts'
import { plainName, type Rewrite } from './rewrite.ts'
import { isFloat, product, type Value } from './value.ts'

const fewestWeights = 256 // smaller sums of constants are left to the runtime

interface Expression {
  node: Node
  header: Header
  computes: boolean // does more than rearrange
  dequantizes: boolean
  leaves: Set<string> // initializers below
}

/** Finds and replaces them. Returns how many weights were exposed. */
export function foldConstants(rewrite: Rewrite): number {
  const { graph } = rewrite
  const expressions = new Map<string, Expression>()
  const lookUp = (name: string) => expressions.get(name)?.header ?? rewrite.header(name)
  const replaced = new Map<string, string>()
  const readers = new Set<string>(graph.outputs.map(({ name }) => name))

  for (const node of graph.nodes) {
    const found = express(node, lookUp, expressions, rewrite)
    const [output] = node.outputs
    if (found && output) expressions.set(output, found)
    else for (const name of node.inputs) readers.add(name)
  }
  for (const [name, expression] of expressions) {
    if (!readers.has(name) || graph.outputs.some((output) => output.name === name) || !isWeight(expression)) continue
    replaced.set(name, expose(rewrite, name, expression, expressions))
  }
  if (replaced.size === 0) return 0
  for (const node of graph.nodes) {
    // Subgraphs see outer values by name: where one reads a folded weight, its nodes stay for it.
    node.inputs = node.inputs.map((name) => replaced.get(name) ?? name)
  }
  for (const { node } of expressions.values()) rewrite.release(node)
  rewrite.prune()
  return replaced.size
}

function express(
  node: Node,
  lookUp: (name: string) => Header | null,
  expressions: ReadonlyMap<string, Expression>,
  rewrite: Rewrite,
): Expression | null {
  const operator = node.domain === '' ? constantOperators[node.op] : undefined
  if (!operator || node.outputs.length !== 1) return null
  const inputs = node.inputs.map((name) => (name === '' ? null : lookUp(name)))
  while (inputs.at(-1) === null && node.inputs[inputs.length - 1] === '') inputs.pop()
  const headers = inputs.filter((each) => each !== null)
  if (headers.length !== inputs.length || headers.length === 0) return null
  const header = operator.header(node, headers)
  if (!header) return null
  const below = node.inputs.map((name) => expressions.get(name))
  const leaves = new Set(below.flatMap((each) => [...(each?.leaves ?? [])]))
  for (const name of node.inputs) if (rewrite.constant(name)) leaves.add(name)
  return {
    node,
    header: { ...header, integers: null },
    computes: !operator.rearranges || below.some((each) => each?.computes),
    dequantizes: node.op === 'DequantizeLinear' || below.some((each) => each?.dequantizes === true),
    leaves,
  }
}

const storable = new Set(['float32', 'float16', 'bfloat16'])

function isWeight({ header, computes, dequantizes }: Expression): boolean {
  const count = product(header.shape)
  if (!computes || !isFloat(header.dtype) || !storable.has(header.dtype)) return false
  return dequantizes ? count > 1 : header.shape.length >= 2 && count >= fewestWeights
}

/** The last computed weight: readers by rows come back for the next rows at once. */
const latest = new WeakMap<Rewrite, { name: string; data: Float32Array }>()

function expose(
  rewrite: Rewrite,
  output: string,
  expression: Expression,
  expressions: ReadonlyMap<string, Expression>,
): string {
  const { leaves, header } = expression
  const sizes = [...leaves].map((name) => ({ name, bytes: rewrite.sizeOf(name) }))
  const largest = sizes.reduce((most, each) => (each.bytes > most.bytes ? each : most), { name: output, bytes: -1 })
  const constants = new Map([...leaves].map((name) => [name, rewrite.constant(name)]))
  const compute = (name: string): Value => {
    const found = expressions.get(name)
    const constant = constants.get(name)
    const operator = constantOperators[found?.node.op ?? '']
    if (found && operator) {
      const inputs = found.node.inputs.filter((each) => each !== '').map(compute)
      return operator.run(found.node, inputs, found.header)
    }
    if (!constant) throw new Fault('internal', `no constant ${name}`)
    return rewrite.value(constant)
  }
  return rewrite.add(plainName(largest.name), header.dtype, header.shape, {
    file: rewrite.fileOf(largest.name),
    stored: {
      type: describe(expression, expressions, rewrite),
      bytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0),
    },
    decode(begin, end) {
      let kept = latest.get(rewrite)
      if (kept?.name !== output) {
        kept = { name: output, data: Float32Array.from(compute(output).data) }
        latest.set(rewrite, kept)
      }
      return kept.data.slice(begin, end)
    },
  })
}

/** 'QDQ int4 g32': how the weight lies in the file. */
function describe({ node, dequantizes }: Expression, all: ReadonlyMap<string, Expression>, rewrite: Rewrite): string {
  let at: Node | undefined = node
  while (at && at.op !== 'DequantizeLinear') {
    at = at.inputs.map((name) => all.get(name)).find((each) => each?.dequantizes)?.node
  }
  if (!dequantizes || !at) return 'constant expression'
  const [codes = '', scale = ''] = at.inputs
  const dtype = (all.get(codes)?.header ?? rewrite.header(codes))?.dtype ?? 'integer'
  const block = attributeInt(at, 'block_size', 0)
  const scales = product((all.get(scale)?.header ?? rewrite.header(scale))?.shape ?? [])
  return `QDQ ${dtype}${block > 0 ? ` g${block}` : scales > 1 ? ' per channel' : ''}`
}

// Constant expressions that compute a weight (DequantizeLinear of stored codes, scales multiplied in, bits unpacked) become
// that weight, computed when it is read. Pure rearrangements of a stored float weight stay nodes: structure.ts sees through.
import { attributeInt, type Node } from '../../../graph/ir.ts'
import { Constants, type Expression } from './constants.ts'
import { plainName, type Rewrite } from './rewrite.ts'
import { isFloat, product } from './value.ts'

const fewestWeights = 256 // smaller sums of constants are left to the runtime
const fewestLookedUp = 4096 // a smaller table is none of weights: what a byte of packed codes stands for
const storable = new Set(['float32', 'float16', 'bfloat16'])

/** Finds and replaces them. Returns how many weights were exposed. */
export function foldConstants(rewrite: Rewrite): number {
  const { graph } = rewrite
  const constants = new Constants(rewrite)
  const replaced = new Map<string, string>()
  for (const [name, expression] of constants.expressions) {
    if (!constants.readers.has(name) || graph.outputs.some((output) => output.name === name)) continue
    if (isWeight(expression, constants.readers.get(name)))
      replaced.set(name, expose(rewrite, name, expression, constants))
  }
  if (replaced.size === 0) return 0
  for (const node of graph.nodes) {
    // Subgraphs see outer values by name: where one reads a folded weight, its nodes stay for it.
    node.inputs = node.inputs.map((name) => replaced.get(name) ?? name)
  }
  for (const { node } of constants.expressions.values()) rewrite.release(node)
  rewrite.prune()
  return replaced.size
}

function isWeight({ header, computes, dequantizes }: Expression, readers: ReadonlySet<string> = new Set()): boolean {
  const count = product(header.shape)
  if (!computes || !isFloat(header.dtype) || !storable.has(header.dtype)) return false
  if (dequantizes) return count > 1
  const isTable = readers.size === 1 && readers.has('Gather')
  return header.shape.length >= 2 && count >= (isTable ? fewestLookedUp : fewestWeights)
}

/** The last computed weight: readers by rows come back for the next rows at once. */
const latest = new WeakMap<Rewrite, { name: string; data: Float32Array }>()

const isShort = (name: string) => name.length <= 3 // Lathe's own exports shorten what they add

function expose(rewrite: Rewrite, output: string, expression: Expression, constants: Constants): string {
  const { leaves, header, node } = expression
  const sizes = [...leaves].map((name) => ({ name, bytes: rewrite.sizeOf(name) }))
  const largest = sizes.reduce((most, each) => (each.bytes > most.bytes ? each : most), { name: output, bytes: -1 })
  const name = isShort(largest.name) ? output : rewrite.fresh(plainName(largest.name))
  // The weight takes the name of the value it was; the node, which goes, computes it under another one meanwhile.
  if (name === output) node.outputs = [rewrite.fresh(output)]
  return rewrite.add(name, header.dtype, header.shape, {
    file: rewrite.fileOf(largest.name),
    stored: { type: describe(expression, constants), bytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0) },
    decode(begin, end) {
      let kept = latest.get(rewrite)
      if (kept?.name !== output) {
        kept = { name: output, data: Float32Array.from(constants.value(output).data) }
        latest.set(rewrite, kept)
      }
      return kept.data.slice(begin, end)
    },
  })
}

/** 'QDQ int4 g32': how the weight lies in the file. */
function describe({ node, dequantizes }: Expression, constants: Constants): string {
  let at: Node | undefined = node
  while (at && at.op !== 'DequantizeLinear') {
    at = at.inputs.map((name) => constants.expressions.get(name)).find((each) => each?.dequantizes)?.node
  }
  if (!dequantizes || !at) return 'constant expression'
  const [codes = '', scale = ''] = at.inputs
  const dtype = constants.header(codes)?.dtype ?? 'integer'
  const block = attributeInt(at, 'block_size', 0)
  const scales = product(constants.header(scale)?.shape ?? [])
  return `QDQ ${dtype}${block > 0 ? ` g${block}` : scales > 1 ? ' per channel' : ''}`
}

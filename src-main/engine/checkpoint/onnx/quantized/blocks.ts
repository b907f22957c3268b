// Weights in the blocked form of ONNX Runtime's contrib operators.
//   com.microsoft.MatMulNBits: B uint8 [N, blocks, block_size * bits / 8], codes of a row in order, lowest bits first;
//     scales [N, blocks]; zero points packed the same way per row, [N, ceil(blocks * bits / 8)], or numbers of the scales' type;
//     without them 2^(bits - 1). w[n, k] = (code - zero) * scale; g_idx [K] names the block of each column where given.
//   com.microsoft.GatherBlockQuantized: the same for an embedding [V, K] along its last axis.
import { attributeInt, node as makeNode, type Node } from '../../../graph/ir.ts'
import { int, ints } from '../../../graph/ir.ts'
import type { Constants } from './constants.ts'
import type { Header } from './operators.ts'
import { plainName, type Rewrite } from './rewrite.ts'
import { isFloat, product, unpackIntegers } from './value.ts'

interface Blocked {
  rows: number
  cols: number
  bits: number
  blockSize: number
  codes: string // names of constants
  scales: string
  zeros: string
  groupOf: string // g_idx
}

const widths = new Set([2, 4, 8])

/** A weight is known by its codes, or, where their name says nothing, by its node. */
const nameFor = (codes: string, node: Node): string =>
  codes.length > 3 ? plainName(codes) : `${node.name || node.outputs[0]}.weight`

/** Registers the weight [rows, cols]; null where sizes do not fit (the operator then stays as it is). */
function addBlocked(rewrite: Rewrite, constants: Constants, weight: Blocked, wish: string): string | null {
  const { rows, cols, bits, blockSize } = weight
  const blocks = Math.ceil(cols / blockSize)
  const rowBytes = (blocks * blockSize * bits) / 8
  const zeroBytes = Math.ceil((blocks * bits) / 8)
  const codes = rewrite.constant(weight.codes)
  const scales = constants.header(weight.scales)
  const zeros = constants.header(weight.zeros)
  const groupOf = constants.header(weight.groupOf)
  const isThere = (name: string, found: Header | null) => name === '' || found !== null
  const known = isThere(weight.zeros, zeros) && isThere(weight.groupOf, groupOf)
  if (!codes || !scales || !known || !widths.has(bits)) return null
  const packedZeros = zeros !== null && !isFloat(zeros.dtype)
  const fits =
    rewrite.sizeOf(weight.codes) === rows * rowBytes &&
    product(scales.shape) === rows * blocks &&
    (scales.dtype === 'float32' || scales.dtype === 'float16' || scales.dtype === 'bfloat16') &&
    (!zeros || (packedZeros ? product(zeros.shape) === rows * zeroBytes : product(zeros.shape) === rows * blocks)) &&
    (!groupOf || product(groupOf.shape) === cols)
  if (!fits) return null
  const parts = [weight.codes, weight.scales, weight.zeros, weight.groupOf].filter((name) => name !== '')
  const leaves = parts.flatMap((name) => constants.leavesOf(name))
  const bytes = leaves.reduce((sum, name) => sum + rewrite.sizeOf(name), 0)
  let small: { scales: ArrayLike<number>; zeros: ArrayLike<number>; groups: ArrayLike<number> | null } | null = null
  const grids = () =>
    (small ??= {
      scales: constants.value(weight.scales).data,
      zeros: zeros ? zeroPoints(constants.value(weight.zeros).data, rows, blocks, packedZeros ? bits : 0) : [],
      groups: groupOf ? constants.value(weight.groupOf).data : null,
    })
  const middle = 2 ** (bits - 1)
  const source = codes.data
  return rewrite.add(rewrite.fresh(wish), scales.dtype, [rows, cols], {
    file: rewrite.fileOf(weight.codes),
    stored: { type: `MatMulNBits ${bits}-bit g${blockSize}`, bytes },
    decode(begin, end) {
      const [first, last] = [Math.floor(begin / cols), Math.ceil(end / cols)]
      const raw =
        'inline' in source
          ? source.inline.subarray(first * rowBytes, last * rowBytes)
          : rewrite.source.read(source.source, { begin: first * rowBytes, end: last * rowBytes })
      const out = new Float32Array((last - first) * cols)
      const { scales: s, zeros: z, groups } = grids()
      for (let row = first; row < last; row++) {
        const packed = raw.subarray((row - first) * rowBytes, (row - first + 1) * rowBytes)
        const line = unpackIntegers(packed, cols, bits, false)
        for (let c = 0; c < cols; c++) {
          const at = row * blocks + (groups ? (groups[c] as number) : Math.floor(c / blockSize))
          const zero = zeros ? (z[at] as number) : middle
          out[(row - first) * cols + c] = ((line[c] as number) - zero) * (s[at] as number)
        }
      }
      return out.subarray(begin - first * cols, end - first * cols)
    },
  })
}

function zeroPoints(data: ArrayLike<number>, rows: number, blocks: number, bits: number): ArrayLike<number> {
  if (bits === 0) return data
  const out = new Float32Array(rows * blocks)
  const bytes = Uint8Array.from(data)
  const rowBytes = Math.ceil((blocks * bits) / 8)
  for (let row = 0; row < rows; row++)
    out.set(unpackIntegers(bytes.subarray(row * rowBytes), blocks, bits, false), row * blocks)
  return out
}

/** MatMulNBits -> MatMul with the transposed weight, and Add where it has a bias. */
export function unpackProducts(rewrite: Rewrite, constants: Constants): number {
  let count = 0
  rewrite.graph.nodes = rewrite.graph.nodes.flatMap((node) => {
    if (node.op !== 'MatMulNBits' || node.domain !== 'com.microsoft') return [node]
    const [input = '', codes = '', scales = '', zeros = '', groupOf = '', bias = ''] = node.inputs
    const weight = {
      ...{ rows: attributeInt(node, 'N', 0), cols: attributeInt(node, 'K', 0) },
      ...{ bits: attributeInt(node, 'bits', 4), blockSize: attributeInt(node, 'block_size', 0) },
      ...{ codes, scales, zeros, groupOf },
    }
    const name = weight.blockSize > 0 ? addBlocked(rewrite, constants, weight, nameFor(codes, node)) : null
    if (name === null) return [node]
    count++
    rewrite.release(node)
    for (const name of node.inputs) constants.release(name)
    const [output = ''] = node.outputs
    const turned = rewrite.fresh(`${name}_transposed`)
    const sum = bias === '' ? output : rewrite.fresh(`${output}_product`)
    const named = { name: node.name }
    return [
      makeNode('Transpose', [name], [turned], { perm: ints([1, 0]) }),
      makeNode('MatMul', [input, turned], [sum], {}, named),
      ...(bias === '' ? [] : [makeNode('Add', [sum, bias], [output])]),
    ] satisfies Node[]
  })
  return count
}

/** GatherBlockQuantized -> Gather, for tables quantized along their last axis. */
export function unpackLookups(rewrite: Rewrite, constants: Constants): number {
  let count = 0
  rewrite.graph.nodes = rewrite.graph.nodes.flatMap((node) => {
    if (node.op !== 'GatherBlockQuantized' || node.domain !== 'com.microsoft') return [node]
    const [codes = '', indices = '', scales = '', zeros = ''] = node.inputs
    const table = rewrite.constant(codes)
    const grid = constants.header(scales)
    const blockSize = attributeInt(node, 'block_size', 128)
    const bytewise = table?.dtype === 'uint8'
    const bits = bytewise ? attributeInt(node, 'bits', 4) : 4
    const last = attributeInt(node, 'quantize_axis', 1)
    const plain = table?.shape.length === 2 && (last === 1 || last === -1) && attributeInt(node, 'gather_axis', 0) === 0
    if (!table || !grid || !plain || (!bytewise && table.dtype !== 'uint4')) return [node]
    const [rows = 0, width = 0] = table.shape
    const cols = bytewise ? (width * 8) / bits : width
    if (cols % blockSize !== 0) return [node]
    const weight = { rows, cols, bits, blockSize, codes, scales, zeros, groupOf: '' }
    const name = addBlocked(rewrite, constants, weight, nameFor(codes, node))
    if (name === null) return [node]
    count++
    rewrite.release(node)
    for (const name of node.inputs) constants.release(name)
    return [makeNode('Gather', [name, indices], [...node.outputs], { axis: int(0) }, { name: node.name })]
  })
  return count
}

// com.microsoft MatMulNBits in the place of MatMul(x, W) or Gemm(x, W[, bias]): the weight stays packed in memory.
//   B            uint8 [N, blocks, blockSize * bits / 8], first code in the lowest bits, the last block padded
//   scales       float32 [N, blocks] (float16 in the file, through a Cast that is folded at load)
//   zero_points  uint8 [N, ceil(blocks * bits / 8)], left out where symmetric: the operator's default is 2^(bits - 1)
// No accuracy_level: the product is computed in float32.
import { attributeInt, int, node, type Attribute, type Node } from '../../graph/ir.ts'
import { emitScales, type WeightSlot } from './emit-weight.ts'
import type { WeightForm } from './form.ts'
import { packBlocks, packBlockZeros } from './pack.ts'
import { later, type Piece, type Scope } from './scope.ts'

/** True where the node is a product with the weight on its right side. */
export function isProduct(slot: WeightSlot, consumer: Node): boolean {
  if (slot.dtype !== 'float32' || slot.shape.length !== 2) return false
  const { op, domain, inputs, attributes } = consumer
  if (domain !== '' || inputs[1] !== slot.name || inputs[0] === slot.name || inputs[2] === slot.name) return false
  if (op === 'MatMul') return slot.order === 'cols'
  const one = (name: string) => {
    const found = attributes.get(name)
    return found === undefined || (found.kind === 'float' && found.value === 1)
  }
  return (
    op === 'Gemm' &&
    one('alpha') &&
    (!inputs[2] || one('beta')) &&
    attributeInt(consumer, 'transA', 0) === 0 &&
    attributeInt(consumer, 'transB', 0) === (slot.order === 'rows' ? 1 : 0)
  )
}

/** The packed weight, ready to be the operator's inputs. */
export interface Blocks {
  size: number
  codes: string
  scales: string
  zeros: string | null
}

/** Emits the packed weight into `piece`. */
export function emitBlocks(scope: Scope, piece: Piece, form: WeightForm, size: number): Blocks {
  const { rows, cols, bits } = form
  const blocks = Math.ceil(cols / size)
  const codes = later(scope, piece, 'uint8', [rows, blocks, (size * bits) / 8], (q) => packBlocks(q, size))
  const scales = emitScales(scope, piece, form, { scaleShape: [rows, blocks], transposed: false })
  const zeros = form.symmetric
    ? null
    : later(scope, piece, 'uint8', [rows, Math.ceil((blocks * bits) / 8)], packBlockZeros)
  return { size, codes, scales, zeros }
}

/** The nodes that take the place of each product. */
export function emitProducts(
  scope: Scope,
  form: WeightForm,
  blocks: Blocks,
  products: readonly Node[],
): Map<Node, Node[]> {
  const { rows, cols, bits } = form
  const inputs = [blocks.codes, blocks.scales, ...(blocks.zeros === null ? [] : [blocks.zeros])]
  const attributes: Record<string, Attribute> = {
    K: int(cols),
    N: int(rows),
    bits: int(bits),
    block_size: int(blocks.size),
  }
  const take = (product: Node): Node[] => {
    const [x = '', , bias] = product.inputs
    const output = product.outputs[0] ?? ''
    const more = { domain: 'com.microsoft', name: product.name }
    if (!bias) return [node('MatMulNBits', [x, ...inputs], [output], attributes, more)]
    const plain = scope.fresh()
    return [
      node('MatMulNBits', [x, ...inputs], [plain], attributes, more),
      node('Add', [plain, bias], [output], {}, { name: '' }),
    ]
  }
  return new Map(products.map((product) => [product, take(product)]))
}

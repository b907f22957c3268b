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
import type { Uses } from './uses.ts'

/** True where every reader of the weight is a product with the weight on its right side. */
export function onlyProducts(slot: WeightSlot, uses: Uses | undefined): boolean {
  if (uses === undefined || uses.elsewhere || slot.dtype !== 'float32' || slot.shape.length !== 2) return false
  return uses.nodes.every((consumer) => isProduct(slot, consumer))
}

function isProduct(slot: WeightSlot, consumer: Node): boolean {
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

/** Emits the packed weight into `piece` and gives, for each product, the nodes that take its place. */
export function emitProducts(
  scope: Scope,
  piece: Piece,
  form: WeightForm,
  blockSize: number,
  products: readonly Node[],
): Map<Node, Node[]> {
  const { rows, cols, bits } = form
  const blocks = Math.ceil(cols / blockSize)
  const shape = { scaleShape: [rows, blocks], transposed: false }
  const codes = later(scope, piece, 'uint8', [rows, blocks, (blockSize * bits) / 8], (q) => packBlocks(q, blockSize))
  const inputs = [codes, emitScales(scope, piece, form, shape)]
  if (!form.symmetric) {
    inputs.push(later(scope, piece, 'uint8', [rows, Math.ceil((blocks * bits) / 8)], packBlockZeros))
  }
  const attributes: Record<string, Attribute> = {
    K: int(cols),
    N: int(rows),
    bits: int(bits),
    block_size: int(blockSize),
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

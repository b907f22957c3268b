import type { Node } from '../../graph/ir.ts'
import { emitProducts, onlyProducts } from './emit-product.ts'
import { emitDequantizeLinear } from './emit-qdq.ts'
import { emitWeight, type WeightSlot } from './emit-weight.ts'
import { blockSizeOf, type WeightForm } from './form.ts'
import { emptyPiece, type Piece, type Scope } from './scope.ts'
import type { Uses } from './uses.ts'

/** How weights are written where several forms hold them.
 *  'packed': MatMulNBits for products of 2, 4 and 8 bits, so that they stay packed in memory; elsewhere arithmetic that
 *            ONNX Runtime folds when it loads the file.
 *  'folded': that arithmetic everywhere. The memory and the speed of the float32 network.
 *  'qdq':    DequantizeLinear wherever it holds the weight, the rest as in 'packed'. */
export type Style = 'packed' | 'folded' | 'qdq'

export interface EmittedLayer {
  piece: Piece
  replaced: ReadonlyMap<Node, Node[]> // nodes that leave the graph -> what takes their place
}

/** Everything the file needs for one quantized weight. */
export function emitLayer(
  scope: Scope,
  slot: WeightSlot,
  form: WeightForm,
  uses: Uses | undefined,
  opset: number,
  style: Style,
): EmittedLayer {
  const piece = emptyPiece()
  const none = new Map<Node, Node[]>()
  if (style === 'qdq' && emitDequantizeLinear(scope, piece, slot, form, opset)) return { piece, replaced: none }
  const blockSize = blockSizeOf(form)
  if (style !== 'folded' && blockSize !== null && uses !== undefined && onlyProducts(slot, uses)) {
    return { piece, replaced: emitProducts(scope, piece, form, blockSize, uses.nodes) }
  }
  emitWeight(scope, piece, slot, form)
  return { piece, replaced: none }
}

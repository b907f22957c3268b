import type { Node } from '../../graph/ir.ts'
import { emitLookups, emitRowTable, hasOwnRows, isLookup, type RowCodes, type RowTable } from './emit-lookup.ts'
import { emitBlocks, emitProducts, isProduct, type Blocks } from './emit-product.ts'
import { emitDequantizeLinear } from './emit-qdq.ts'
import { emitWeight, type WeightSlot } from './emit-weight.ts'
import { emitCoded } from '../codings/onnx.ts'
import { blockSizeOf, isCodedForm, type StoredForm, type WeightForm } from './form.ts'
import { emptyPiece, type Piece, type Scope } from './scope.ts'
import type { Uses } from './uses.ts'

/** How weights are written where several forms hold them; build/decisions/0006-export-forms.md tells why.
 *  'packed': MatMulNBits for products of 2, 4 and 8 bits; rows of embeddings dequantized as they are looked up;
 *            DequantizeLinear elsewhere, after unpacking in the graph for widths no type holds.
 *  'folded': arithmetic that ONNX Runtime folds when it loads the file. The memory and the speed of the float32 network. */
export type Style = 'packed' | 'folded'

export interface EmittedLayer {
  piece: Piece
  replaced: ReadonlyMap<Node, Node[]> // nodes that leave the graph -> what takes their place
}

/** Everything the file needs for one quantized weight. */
export function emitLayer(
  scope: Scope,
  slot: WeightSlot,
  form: StoredForm,
  uses: Uses | undefined,
  opset: number,
  style: Style,
): EmittedLayer {
  const piece = emptyPiece()
  if (isCodedForm(form)) {
    return { piece, replaced: emitCoded(scope, piece, slot, form, { opset, style, uses }) }
  }
  const replaced = style === 'packed' ? emitConsumers(scope, piece, slot, form, uses, opset) : null
  if (replaced !== null) return { piece, replaced }
  if (style === 'folded' || !emitDequantizeLinear(scope, piece, slot, form, opset)) {
    emitWeight(scope, piece, slot, form)
  }
  return { piece, replaced: new Map() }
}

/** Where all readers are products and lookups, nodes in their place that read the packed weight; else null. A tied
 *  embedding is both: its rows are looked up in the very blocks that the head multiplies with. */
function emitConsumers(
  scope: Scope,
  piece: Piece,
  slot: WeightSlot,
  form: WeightForm,
  uses: Uses | undefined,
  opset: number,
): Map<Node, Node[]> | null {
  if (uses === undefined || uses.elsewhere || uses.nodes.length === 0) return null
  const products = uses.nodes.filter((consumer) => isProduct(slot, consumer))
  const lookups = uses.nodes.filter((consumer) => isLookup(slot, consumer))
  if (products.length + lookups.length < uses.nodes.length) return null
  if (lookups.length > 0 && !hasOwnRows(slot, form, opset)) return null
  if (products.length === 0) return emitLookups(scope, slot, form, emitRowTable(scope, piece, form), lookups)
  const size = blockSizeOf(form)
  if (size === null) return null
  const blocks = emitBlocks(scope, piece, form, size)
  const multiplied = emitProducts(scope, form, blocks, products)
  const found = emitLookups(scope, slot, form, tableOf(form, blocks), lookups)
  return new Map([...multiplied, ...found])
}

/** Blocks without padding are rows of packed codes. */
function tableOf({ bits, cols, groups, symmetric }: WeightForm, { codes, scales, zeros }: Blocks): RowTable {
  const rowCodes = (value: string, count: number, offset: number): RowCodes => ({
    planes: [{ value, width: bits, shift: 0 }],
    stored: (Math.ceil((count * bits) / 8) * 8) / bits,
    ...{ count, offset, signed: false },
  })
  return {
    codes: rowCodes(codes, cols, symmetric ? 1 << (bits - 1) : 0),
    scales,
    zeros: zeros === null ? null : rowCodes(zeros, groups, 0),
  }
}

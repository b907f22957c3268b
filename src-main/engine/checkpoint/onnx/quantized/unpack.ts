// An ONNX model that is quantized already, with its weights as numbers again: they can be seen, scored and quantized anew.
// What computes on activations (QuantizeLinear, DequantizeLinear of values) stays as it is.
import type { Graph } from '../../../graph/ir.ts'
import { deriveSource } from '../../derived.ts'
import type { TensorSource } from '../../network.ts'
import { unpackLookups, unpackProducts } from './blocks.ts'
import { Constants } from './constants.ts'
import { foldConstants } from './fold.ts'
import { rewriteIntegerOperators } from './qoperator.ts'
import { Rewrite } from './rewrite.ts'

/** Changes the graph in place. The returned source stands in for the given one, which it owns. */
export function unpackQuantized(graph: Graph, source: TensorSource, notices: string[]): TensorSource {
  const rewrite = new Rewrite(graph, source)
  const integer = rewriteIntegerOperators(rewrite)
  const constants = new Constants(rewrite)
  const blocked = unpackProducts(rewrite, constants) + unpackLookups(rewrite, constants)
  rewrite.prune()
  const folded = foldConstants(rewrite)
  if (integer + blocked + folded === 0) return source
  const packed = [...rewrite.derived.values()].filter(({ info }) => info.shape.length >= 2).length
  if (packed > 0)
    notices.push(
      `${packed} weights are stored quantized or as constant expressions. They are shown with their stored form and worked on as the numbers they stand for.`,
    )
  if (integer > 0)
    notices.push(`${integer} integer operators run as float operators between the same roundings of their activations.`)
  return deriveSource(source, rewrite.derived, rewrite.hidden)
}

// Codings that an ONNX file can hold. Each emitter (one file here, one line below) writes the parts of a weight as tensors and the
// nodes that compute it, in float32, under the weight's own name: only operators that ONNX Runtime folds when it loads the
// file, so that the file is small and the network runs at the speed and in the memory of the float32 one.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { CodedForm } from '../../quantize/codings/define.ts'
import type { Node } from '../../graph/ir.ts'
import type { WeightSlot } from '../onnx/emit-weight.ts'
import type { Piece, Scope } from '../onnx/scope.ts'
import type { Style } from '../onnx/emit-layer.ts'
import type { Uses } from '../onnx/uses.ts'
import { levelEmitters } from './onnx-levels.ts'
import { lowRankEmitter } from './onnx-low-rank.ts'
import { sparseEmitter } from './onnx-sparse.ts'
import { vectorEmitters } from './onnx-vectors.ts'

export interface OnnxCoding {
  id: string // of the coding
  /** Emits nodes that end in `slot.name`: a tensor of slot.shape and slot.dtype, equal to what the coding decodes to, bit for
   *  bit. The form alone decides what is emitted; `later(scope, piece, dtype, shape, (m: CodedMatrix) => bytes)` adds a tensor
   *  whose bytes come from the parts when the file is written. Where all readers of the weight can do with less (fewer
   *  columns, two factors), it may give nodes in their place instead, and emit no weight. */
  emit(scope: Scope, piece: Piece, slot: WeightSlot, form: CodedForm, place: Place): Replaced | void
}

/** Nodes that leave the graph, and what takes their place. */
export type Replaced = ReadonlyMap<Node, Node[]>

/** The graph it goes into, for codings that newer operators know. */
export interface Place {
  opset: number
  style: Style
  uses: Uses | undefined // who reads the weight; undefined: not known
}

const emitters: readonly OnnxCoding[] = [...levelEmitters, ...vectorEmitters, sparseEmitter, lowRankEmitter]

const emitterOf = ({ coding }: CodedForm): OnnxCoding | undefined => emitters.find(({ id }) => id === coding)

export const canEmit = (form: CodedForm): boolean => emitterOf(form) !== undefined

/** Faults 'unsupported' for codings that no emitter knows. */
export function emitCoded(scope: Scope, piece: Piece, slot: WeightSlot, form: CodedForm, place: Place): Replaced {
  const emitter = emitterOf(form)
  if (emitter === undefined)
    throw new Fault('unsupported', `Layer ${slot.name} is coded as ${form.coding}, which an ONNX file cannot hold.`, {
      hint: 'Export as packed safetensors, or plan again with the options of this format.',
      data: { tensor: slot.name, found: form.coding },
    })
  return emitter.emit(scope, piece, slot, form, place) ?? new Map<Node, Node[]>()
}

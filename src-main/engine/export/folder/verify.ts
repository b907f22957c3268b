// The written folder, opened as any checkpoint is, against what was meant.
import { Buffer } from 'node:buffer'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Network, TensorSource } from '../../checkpoint/network.ts'
import type { DataType } from '../../graph/ir.ts'
import { rowsPerBlock } from '../../quantize/rows.ts'
import type { CompressedMatrix } from '../../quantize/types.ts'
import { dequantizeRows } from '../../quantize/dequantize.ts'
import { roundTo, writtenBytes } from './dtype.ts'

export interface Wanted {
  network: Network // the source
  compressed: ReadonlySet<string>
  read: (layer: string) => CompressedMatrix
  /** Type a tensor is listed with once it is reopened: the written one, float32 for a packed layer. */
  typeOf: (tensor: string) => DataType
}

type Progress = (fraction: number, step: string) => void

/** Compares every tensor bit by bit; gives what was checked, in words. Fault 'verification' on any difference. */
export function verifyTensors(found: TensorSource, place: string, wanted: Wanted, progress: Progress): string[] {
  const { network, compressed } = wanted
  const { tensors } = network.source
  const stray = [...found.tensors.keys()].find((name) => !tensors.has(name))
  if (stray !== undefined) throw differs(place, stray, 'it is no tensor of the checkpoint')
  let done = 0
  let [weights, keptBytes, changed] = [0, 0, 0]
  for (const tensor of tensors.values()) {
    progress(done++ / tensors.size, `checking ${tensor.name}`)
    const type = wanted.typeOf(tensor.name)
    const other = found.tensors.get(tensor.name)
    if (other?.dtype !== type || other.shape.join() !== tensor.shape.join())
      throw differs(place, tensor.name, `its type and shape are ${other?.dtype} [${other?.shape.join(', ')}]`)
    if (compressed.has(tensor.name)) {
      weights += compareLayer(found, place, tensor.name, type, wanted)
      continue
    }
    let at = 0
    for (const chunk of writtenBytes(network, tensor, type)) {
      if (Buffer.compare(found.read(tensor.name, { begin: at, end: at + chunk.length }), chunk) !== 0)
        throw differs(place, tensor.name, 'its bytes are others')
      at += chunk.length
    }
    keptBytes += at
    if (type !== tensor.dtype) changed++
  }
  const kept = tensors.size - compressed.size
  return [
    ...(compressed.size === 0
      ? []
      : [`Reopened: all ${weights} weights of ${compressed.size} compressed layers equal the variant's bit for bit`]),
    `${kept} ${compressed.size === 0 ? 'tensors' : 'other tensors'} (${keptBytes} bytes) equal the checkpoint's bit for bit` +
      (changed === 0 ? '' : `, ${changed} of them rounded to another float type`),
  ]
}

function compareLayer(found: TensorSource, place: string, name: string, type: DataType, wanted: Wanted): number {
  const matrix = wanted.read(name)
  const { rows, cols } = matrix
  const step = rowsPerBlock(cols)
  const layer = wanted.network.layers.find((each) => each.name === name)
  if (layer?.order === 'cols') return compareTurned(found, place, name, type, matrix)
  for (let begin = 0; begin < rows; begin += step) {
    const end = Math.min(rows, begin + step)
    const meant = roundTo(dequantizeRows(matrix, begin, end), type, name, begin * cols)
    const width = meant.length / ((end - begin) * cols)
    const range = { begin: begin * cols * width, end: end * cols * width }
    if (Buffer.compare(found.read(name, range), meant) !== 0)
      throw differs(place, name, `its weights in rows ${begin} to ${end} are others`)
  }
  return rows * cols
}

function compareTurned(
  found: TensorSource,
  place: string,
  name: string,
  type: DataType,
  matrix: CompressedMatrix,
): number {
  if (Buffer.compare(found.read(name), roundTo(turnedWeight(matrix), type, name)) !== 0)
    throw differs(place, name, 'its weights are others')
  return matrix.rows * matrix.cols
}

/** A compressed weight whose tensor is the transpose of its matrix, in the tensor's order. */
export function turnedWeight(matrix: CompressedMatrix): Float32Array {
  const { rows, cols } = matrix
  const dense = dequantizeRows(matrix, 0, rows)
  const out = new Float32Array(dense.length)
  for (let r = 0, at = 0; r < rows; r++) for (let c = 0; c < cols; c++) out[c * rows + r] = dense[at++] as number
  return out
}

export const differs = (file: string, tensor: string, what: string): Fault =>
  new Fault(
    'verification',
    `${file}: ${tensor || 'the written folder'}: ${what}, not what was meant. It was removed.`,
    {
      hint: 'This is a defect of the exporter, or the checkpoint changed meanwhile: export again.',
      data: { file, ...(tensor === '' ? {} : { tensor }) },
    },
  )

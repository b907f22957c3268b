// The tensors that together hold one packed weight: looked up with their dtype and shape checked, read at most once.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { DataType } from '../../graph/ir.ts'
import { toFloat32 } from '../convert.ts'
import type { TensorInfo, TensorSource } from '../network.ts'

export const countOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

/** A piece with one of these types and exactly this shape; `why` ends the message ('for 4096 inputs in groups of 128'). */
export function need(
  source: TensorSource,
  name: string,
  types: readonly DataType[],
  shape: readonly number[],
  why: string,
): TensorInfo {
  const info = needAny(source, name, types, why)
  if (info.shape.join() === shape.join()) return info
  throw misfit(info, `${types.join(' or ')} [${shape.join(', ')}]`, why)
}

/** A piece with one of these types, of any shape. */
export function needAny(source: TensorSource, name: string, types: readonly DataType[], why: string): TensorInfo {
  const info = source.tensors.get(name)
  if (!info) {
    const file = [...source.tensors.values()][0]?.file ?? ''
    throw new Fault('bad-input', `${file}: tensor ${name} is missing: expected ${types.join(' or ')} ${why}`, {
      hint: 'Download the folder again; every piece of a packed weight is needed.',
      data: { file, tensor: name, expected: types.join(' or ') },
    })
  }
  if (types.includes(info.dtype)) return info
  throw misfit(info, types.join(' or '), why)
}

export function misfit(info: TensorInfo, expected: string, why: string): Fault {
  const found = `${info.dtype} [${info.shape.join(', ')}]`
  return new Fault('bad-input', `${info.file}: tensor ${info.name} is ${found}, expected ${expected} ${why}`, {
    hint: 'The quantization settings and the weights do not belong together.',
    data: { file: info.file, tensor: info.name, expected, found },
  })
}

/** A value inside a piece that makes no sense. */
export const badValue = (info: TensorInfo, what: string, expected: string): Fault =>
  new Fault('bad-input', `${info.file}: tensor ${info.name}: ${what}, expected ${expected}`, {
    hint: 'The file is damaged. Download it again.',
    data: { file: info.file, tensor: info.name, expected },
  })

/** Rows [begin, end) of a matrix of scales as float32. Faults where one is not finite. */
export function readScales(source: TensorSource, info: TensorInfo, begin: number, end: number, width: number) {
  const elementBytes = info.bytes / Math.max(1, countOf(info.shape))
  const range = { begin: begin * width * elementBytes, end: end * width * elementBytes }
  const scales = toFloat32(source.read(info.name, range), info.dtype)
  requireFinite(info, scales, begin * width)
  return scales
}

export function requireFinite(info: TensorInfo, values: Float32Array, offset = 0): void {
  const bad = values.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0) throw badValue(info, `element ${offset + bad} is ${values[bad]}`, 'a finite scale')
}

/** Pieces of the weight read last, whole: layouts that interleave outputs need all of them for any row. */
export function pieceCache(source: TensorSource) {
  let held: { weight: string; pieces: Map<string, unknown> } = { weight: '', pieces: new Map() }
  return <T>(weight: string, name: string, make: (bytes: Uint8Array) => T): T => {
    if (held.weight !== weight) held = { weight, pieces: new Map() }
    const found = held.pieces.get(name) as T | undefined
    if (found !== undefined) return found
    const made = make(source.read(name))
    held.pieces.set(name, made)
    return made
  }
}

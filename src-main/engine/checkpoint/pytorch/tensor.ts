// Tensors as torch pickles them: a storage, and where in it the elements lie. A view that leaves its storage is refused
// here, before anybody reads with its numbers (CVE-2026-24747: a stride reaching beyond the storage).
import { bitsOf, type DataType } from '../../graph/ir.ts'
import type { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Trouble } from './cursor.ts'
import {
  describeValue,
  PickleGlobal,
  PickleList,
  PickleStorage,
  PickleTensor,
  PickleTuple,
  type PickleValue,
} from './values.ts'

export type FaultOf = (what: string, trouble?: Trouble) => Fault

export const mostRank = 64

export const widthOf = (dtype: DataType): number => bitsOf[dtype] / 8

/** A count or position: a whole number from 0 to 2^53. */
export function countOf(value: PickleValue | undefined, what: string, fault: FaultOf): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw fault(`${what} is ${describeValue(value)}`, { expected: 'a whole number from 0 to 2^53' })
}

function countsOf(value: PickleValue | undefined, what: string, fault: FaultOf): number[] {
  if (!(value instanceof PickleTuple || value instanceof PickleList)) throw fault(`${what} is ${describeValue(value)}`)
  if (value.items.length > mostRank)
    throw fault(`${what} has ${value.items.length} numbers, at most ${mostRank} are read`)
  return value.items.map((item) => countOf(item, `a number in ${what}`, fault))
}

/** Storage, offset, size, stride -> tensor. `dtype`: of bytes without a type of their own. */
export function rebuildTensor(args: readonly PickleValue[], fault: FaultOf, given?: PickleValue): PickleTensor {
  const [storage, at, size, stride] = args
  if (!(storage instanceof PickleStorage))
    throw fault(`a tensor is made of ${describeValue(storage)}, not of a storage`)
  const dtype = given instanceof PickleGlobal && given.kind === 'dtype' ? given.dtype : storage.dtype
  if (given !== undefined && !(given instanceof PickleGlobal && given.kind === 'dtype'))
    throw fault(`a tensor's dtype is ${describeValue(given)}`)
  if (dtype === null)
    throw fault(
      `a tensor's elements have ${given instanceof PickleGlobal ? `the type ${given.name}, which is not read` : 'no type'}`,
      {
        code: 'unsupported',
        hint: 'Convert the checkpoint to safetensors in a type that it knows.',
      },
    )
  const offset = countOf(at, 'the offset of a tensor', fault)
  const shape = countsOf(size, 'the shape of a tensor', fault)
  const strides = countsOf(stride, 'the strides of a tensor', fault)
  if (shape.length !== strides.length)
    throw fault(`a tensor has ${shape.length} dimensions and ${strides.length} strides`)
  checkExtent(storage, widthOf(dtype), offset, shape, strides, fault)
  return new PickleTensor(storage, dtype, offset, shape, strides)
}

/** Numbers are doubles: sums beyond 2^53 lose ones, but stay far beyond any storage. */
function checkExtent(
  storage: PickleStorage,
  width: number,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
  fault: FaultOf,
): void {
  const elements = shape.reduce((product, length) => product * length, 1)
  if (elements * width > Number.MAX_SAFE_INTEGER)
    throw fault(`a tensor of shape [${shape.join(', ')}] overflows`, { expected: 'at most 2^53 bytes' })
  const last = shape.reduce((sum, length, axis) => sum + Math.max(0, length - 1) * (strides[axis] ?? 0), offset)
  const end = elements === 0 ? offset : last + 1
  if (end * width > storage.bytes)
    throw fault(
      `a tensor of shape [${shape.join(', ')}], strides [${strides.join(', ')}] and offset ${offset} leaves its storage`,
      { expected: `within ${storage.bytes} bytes`, found: `${end * width} bytes` },
    )
}

/** Elements follow each other in row-major order. Strides of axes of length 1 mean nothing. */
export function isContiguous({ shape, strides }: Pick<PickleTensor, 'shape' | 'strides'>): boolean {
  if (shape.includes(0)) return true
  let expected = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false
    expected *= shape[axis] ?? 1
  }
  return true
}

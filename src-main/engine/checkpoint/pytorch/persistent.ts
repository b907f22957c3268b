// What a persistent id names. torch: ('storage', type, key, location, numel), and in old files a view into another one.
import type { Machine } from './machine.ts'
import { countOf, widthOf } from './tensor.ts'
import { describeValue, PickleGlobal, PickleStorage, PickleTuple, type PickleValue } from './values.ts'

const longestKey = 128

/** `length`: 5, or 6 in the form before 1.6, whose last part is None or (key, offset, size) of a view. */
export function storageOf(id: PickleValue, machine: Machine, length: 5 | 6): PickleStorage {
  const parts = id instanceof PickleTuple ? id.items : []
  const [tag, type, key, , numel, view] = parts
  if (textOf(tag) === 'module')
    throw machine.fault('holds a whole module with its source code', {
      code: 'unsupported',
      hint: 'Only its own Python code can load it. Save model.state_dict() instead, or convert it to safetensors.',
    })
  if (parts.length !== length || textOf(tag) !== 'storage')
    throw machine.fault(`the persistent id ${describeValue(id)} names no storage`)
  if (!(type instanceof PickleGlobal) || type.kind !== 'storage')
    throw machine.fault(`a storage has the type ${describeValue(type)}`)
  const name = textOf(key)
  if (name === null || name === '' || name.length > longestKey)
    throw machine.fault(`a storage is called ${describeValue(key)}`)
  const width = type.dtype === null ? 1 : widthOf(type.dtype)
  const bytes = countOf(numel, 'the length of a storage', machine.fault) * width
  if (!Number.isSafeInteger(bytes)) throw machine.fault(`a storage of ${describeValue(numel)} elements`)
  if (length === 5 || view === null) return new PickleStorage(name, type.dtype, bytes)
  const [, at, size] = view instanceof PickleTuple && view.items.length === 3 ? view.items : []
  const begin = countOf(at, 'the offset of a view', machine.fault) * width
  const viewBytes = countOf(size, 'the length of a view', machine.fault) * width
  if (begin + viewBytes > bytes)
    throw machine.fault(`a view of ${viewBytes} bytes at ${begin} leaves its storage of ${bytes}`)
  return new PickleStorage(name, type.dtype, viewBytes, begin, bytes)
}

const textOf = (value: PickleValue | undefined): string | null =>
  typeof value === 'string' ? value : value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : null

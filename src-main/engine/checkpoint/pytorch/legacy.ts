// The form before PyTorch 1.6, still written on request: pickles one after another, then the storages.
//   | magic | protocol 1001 | { little_endian, ... } | the object | [keys] | for each key: i64 elements, bytes |
//   torch/serialization.py (_legacy_save, _legacy_load).
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { ByteRange } from '../onnx/wire.ts'
import { mostPickleBytes, type PickledFile } from './archive.ts'
import { Cursor } from './cursor.ts'
import { storageOf } from './persistent.ts'
import { type Persistent, readPickle } from './pickle.ts'
import { widthOf } from './tensor.ts'
import { PickleDict, PickleList, type PickleStorage } from './values.ts'

const magic = 0x1950_a86a_20f9_469c_fc6cn
const protocol = 1001
const mostStorages = 250_000

/** How such a file begins: the magic number as LONG1, in protocol 2 and later. */
export const legacyMagic = Uint8Array.from([
  0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e,
])

export function openLegacy(range: ByteRange): PickledFile {
  const cursor = new Cursor(range, { place: 'pickle' })
  if (readPickle(cursor) !== magic)
    throw new Fault('unsupported', `${range.path}: this is a Python pickle, but none of torch.save`, {
      hint: 'Lathe reads what torch.save writes. Convert the checkpoint to safetensors.',
      data: { file: range.path, offset: 0, field: 'pickle', expected: 'the magic number of torch.save' },
    })
  const version = readPickle(cursor)
  if (version !== protocol)
    throw cursor.fault(`version ${String(version)}`, { expected: String(protocol), code: 'unsupported' })
  const system = readPickle(cursor)
  if (!(system instanceof PickleDict)) throw cursor.fault('the description of the machine is no dict')
  if (system.entries.get('little_endian') !== true)
    throw cursor.fault('the file was written on a big-endian machine', {
      code: 'unsupported',
      hint: 'Convert it to safetensors there.',
    })
  const named = new Map<string, PickleStorage>()
  const persistent: Persistent = (id, machine) => {
    const storage = storageOf(id, machine, 6)
    const other = named.get(storage.key)
    if (other && (other.rootBytes !== storage.rootBytes || other.dtype !== storage.dtype))
      throw machine.fault(`the storage ${JSON.stringify(storage.key)} has two lengths or types`)
    if (named.size >= mostStorages) throw machine.tooMuch(`more than ${mostStorages} storages`)
    named.set(storage.key, storage)
    return storage
  }
  const begin = cursor.position
  const root = readPickle(cursor, persistent)
  if (cursor.position - begin > mostPickleBytes) throw cursor.fault(`a pickle of ${cursor.position - begin} bytes`)
  const places = readPlaces(cursor, range, named)
  return {
    root,
    form: 'PyTorch file of before 1.6',
    read(key, from, to) {
      const place = places.get(key)
      if (place === undefined) throw new Fault('internal', `${range.path}: there is no storage ${key}`)
      return range.read(place + from, place + to)
    },
  }
}

/** Where each storage's bytes begin. They must fill the rest of the file. */
function readPlaces(cursor: Cursor, range: ByteRange, named: ReadonlyMap<string, PickleStorage>): Map<string, number> {
  const at = cursor.position
  const keys = readPickle(cursor)
  if (!(keys instanceof PickleList)) throw cursor.fault('the list of storages is no list', { at })
  const places = new Map<string, number>()
  let place = cursor.position
  for (const key of keys.items) {
    const storage = named.get(String(key))
    if (typeof key !== 'string' || !storage || places.has(key))
      throw cursor.fault(`the list of storages names ${JSON.stringify(String(key).slice(0, 60))}`, { at })
    const elements = place + 8 <= range.size ? Buffer.from(range.read(place, place + 8)).readBigInt64LE() : -1n
    const expected = storage.rootBytes / (storage.dtype === null ? 1 : widthOf(storage.dtype))
    if (elements !== BigInt(expected) || place + 8 + storage.rootBytes > range.size)
      throw cursor.fault(
        `the storage ${JSON.stringify(key)} of ${expected} elements is cut off or has another length`,
        { at: place, expected: String(expected), found: String(elements) },
      )
    places.set(key, place + 8)
    place += 8 + storage.rootBytes
  }
  for (const key of named.keys())
    if (!places.has(key)) throw cursor.fault(`the storage ${JSON.stringify(key)} is not in the file`, { at })
  if (place !== range.size) throw cursor.fault(`${range.size - place} bytes follow the last storage`, { at: place })
  return places
}

// The zip form, since PyTorch 1.6: NAME/data.pkl names storages, NAME/data/KEY holds each one's bytes, stored as they are.
//   torch/serialization.py (_save, _load); caffe2/serialize/inline_container.h for the layout.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { bytesRange, type ByteRange } from '../onnx/wire.ts'
import { Cursor } from './cursor.ts'
import { readPickle, type Persistent } from './pickle.ts'
import { storageOf } from './persistent.ts'
import type { PickleValue } from './values.ts'
import { readZip, type ZipEntry, type ZipFault, zipFault } from './zip.ts'
import { readEntry, verifyStored } from './zip-data.ts'

/** A checkpoint as its file holds it: what was pickled, and the bytes of storages by key. */
export interface PickledFile {
  root: PickleValue
  /** Bytes [begin, end) of a storage; the first read of one checks all of it where the format has a checksum. */
  read(key: string, begin: number, end: number): Uint8Array
  form: string
}

export const mostPickleBytes = 64 << 20
const mostTagBytes = 64
const verifiedAtOnce = 16 << 20

export function openArchive(range: ByteRange): PickledFile {
  const fault = zipFault(range.path)
  const entries = readZip(range)
  const pickle = findPickle(entries, range.path)
  const prefix = pickle.name.slice(0, -'data.pkl'.length)
  checkByteOrder(range, entries.get(`${prefix}byteorder`), fault)
  const storages = new Map<string, ZipEntry>()
  const persistent: Persistent = (id, machine) => {
    const storage = storageOf(id, machine, 5)
    const entry = entries.get(`${prefix}data/${storage.key}`)
    const label = JSON.stringify(storage.key.slice(0, 60))
    if (!entry) throw machine.fault(`the storage ${label} is not in the archive`)
    if (!entry.stored)
      throw machine.fault(`the storage ${label} is packed`, {
        code: 'unsupported',
        hint: 'Save the checkpoint again with torch.save, which stores tensors as they are.',
      })
    if (entry.bytes !== storage.rootBytes)
      throw machine.fault(
        `the storage ${label} is said to have ${storage.rootBytes} bytes, its entry has ${entry.bytes}`,
        {
          expected: String(storage.rootBytes),
          found: String(entry.bytes),
        },
      )
    storages.set(storage.key, entry)
    return storage
  }
  const bytes = readEntry(range, pickle, mostPickleBytes, fault)
  const cursor = new Cursor(bytesRange(bytes, range.path), {
    place: pickle.name,
    base: pickle.stored ? pickle.begin : 0,
  })
  const root = readPickle(cursor, persistent)
  if (cursor.left > 0) throw cursor.fault(`${cursor.left} bytes follow the end of the pickle`)
  // A small checkpoint is checked whole at once; of a large one each storage when it is first read.
  const verified = new Set<string>()
  const total = [...storages.values()].reduce((sum, entry) => sum + entry.bytes, 0)
  if (total <= verifiedAtOnce)
    for (const [key, entry] of storages) {
      verifyStored(range, entry, fault)
      verified.add(key)
    }
  return {
    root,
    form: 'PyTorch zip archive',
    read(key, begin, end) {
      const entry = storages.get(key)
      if (!entry) throw new Fault('internal', `${range.path}: there is no storage ${key}`)
      if (!verified.has(key)) verifyStored(range, entry, fault)
      verified.add(key)
      return range.read(entry.begin + begin, entry.begin + end)
    },
  }
}

function findPickle(entries: ReadonlyMap<string, ZipEntry>, path: string): ZipEntry {
  const unsupported = (what: string, hint: string) =>
    new Fault('unsupported', `${path}: this is ${what}`, {
      hint,
      data: { file: path, field: 'zip archive', expected: 'an archive of torch.save' },
    })
  const names = [...entries.keys()]
  if (names.some((name) => /^[^/]+\/(constants\.pkl|code\/)/.test(name)))
    throw unsupported(
      'a TorchScript archive, which holds code',
      'Lathe never runs it. Convert it to safetensors (save the state_dict of the loaded module) or export the model to ONNX.',
    )
  const pickles = names.filter((name) => /^[^/]+\/data\.pkl$/.test(name))
  const pickle = entries.get(pickles[0] ?? '')
  if (!pickle || pickles.length > 1)
    throw unsupported(
      `a zip archive with ${pickles.length} files called data.pkl, not one of torch.save`,
      'Unpack it if it holds a checkpoint, or convert the model to safetensors or ONNX.',
    )
  return pickle
}

function checkByteOrder(range: ByteRange, entry: ZipEntry | undefined, fault: ZipFault): void {
  if (!entry) return // before PyTorch 2.1 nothing was said; all such files are of little-endian machines
  const order = Buffer.from(readEntry(range, entry, mostTagBytes, fault)).toString('latin1')
  if (order === 'little') return
  throw fault(`the byte order is ${JSON.stringify(order)}`, entry.begin, {
    code: 'unsupported',
    expected: 'little',
    hint: 'The file was written on a big-endian machine. Convert it to safetensors there.',
  })
}

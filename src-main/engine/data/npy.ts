// The .npy array format, versions 1 to 3 (NEP 1; numpy.lib.format).
//   6 bytes  \x93NUMPY
//   2 bytes  version: major, minor
//   2 bytes  header length, little endian (4 bytes from version 2 on)
//   header   a Python dictionary literal: {'descr': '<i8', 'fortran_order': False, 'shape': (5000,), }
//   data     elements in C order
import { badData, withFile } from './files.ts'

export interface NpyArray {
  dtype: 'uint8' | 'int8' | 'int32' | 'int64' | 'float32'
  shape: number[]
  data: Uint8Array | Int8Array | Int32Array | BigInt64Array | Float32Array
}

const types = new Map<string, { dtype: NpyArray['dtype']; bytes: number }>([
  ['|u1', { dtype: 'uint8', bytes: 1 }],
  ['|i1', { dtype: 'int8', bytes: 1 }],
  ['<i4', { dtype: 'int32', bytes: 4 }],
  ['<i8', { dtype: 'int64', bytes: 8 }],
  ['<f4', { dtype: 'float32', bytes: 4 }],
])
const arrays = { uint8: Uint8Array, int8: Int8Array, int32: Int32Array, int64: BigInt64Array, float32: Float32Array }

const mostHeaderBytes = 65_536
const mostRank = 8
export const mostArrayBytes = 8 * 2 ** 30

interface Header {
  dtype: NpyArray['dtype']
  elementBytes: number
  shape: number[]
}

/** Reads the dictionary literal by its three known keys; nothing is evaluated. */
function parseHeader(file: string, text: string): Header {
  const refuse = (what: string, found: string) =>
    badData(file, `.npy header: ${what}, found ${found.slice(0, 80)}`, { data: { expected: what, found } })
  const match =
    /^\{\s*'descr':\s*'([^']{1,16})',\s*'fortran_order':\s*(True|False),\s*'shape':\s*\(([0-9, ]*)\),?\s*\}\s*$/.exec(
      text,
    )
  if (!match) throw refuse("{'descr': ..., 'fortran_order': ..., 'shape': (...)}", text)
  const [, descr = '', order, dims = ''] = match
  const type = types.get(descr)
  if (!type) throw refuse(`one of the types ${[...types.keys()].join(', ')}`, `'${descr}'`)
  if (order === 'True') throw refuse('C order', 'Fortran order')
  const parts = dims.split(',').map((part) => part.trim())
  if (parts.at(-1) === '') parts.pop()
  if (parts.length > mostRank || parts.some((part) => !/^[0-9]{1,15}$/.test(part))) throw refuse('a shape', `(${dims})`)
  return { dtype: type.dtype, elementBytes: type.bytes, shape: parts.map(Number) }
}

/** Reads an array of at most `limitBytes`. Faults 'bad-data' naming file and field. */
export function readNpy(path: string, limitBytes = mostArrayBytes): NpyArray {
  return withFile(path, (file) => {
    const head = Buffer.from(file.read(0, Math.min(12, file.size)))
    if (head.length < 12 || head.toString('latin1', 0, 6) !== '\x93NUMPY') throw badData(path, 'not a .npy file')
    const major = head[6] ?? 0
    if (major < 1 || major > 3)
      throw badData(path, `.npy version ${major}`, {
        data: { field: 'version', expected: '1, 2 or 3', found: `${major}` },
      })
    const start = major === 1 ? 10 : 12
    const length = major === 1 ? head.readUInt16LE(8) : head.readUInt32LE(8)
    if (length > mostHeaderBytes || start + length > file.size)
      throw badData(path, `.npy header of ${length} bytes`, { data: { field: 'header', offset: 8 } })
    const header = parseHeader(path, Buffer.from(file.read(start, start + length)).toString('latin1'))
    const count = header.shape.reduce((product, dim) => product * dim, 1)
    const bytes = count * header.elementBytes
    const begin = start + length
    if (!Number.isSafeInteger(bytes) || begin + bytes !== file.size)
      throw badData(
        path,
        `shape (${header.shape.join(', ')}) needs ${bytes} bytes, the file holds ${file.size - begin}`,
        {
          data: { field: 'shape', expected: `${bytes}`, found: `${file.size - begin}` },
        },
      )
    if (bytes > limitBytes) throw badData(path, `${bytes} bytes, at most ${limitBytes} are read`)
    const content = file.read(begin, file.size)
    return { dtype: header.dtype, shape: header.shape, data: new arrays[header.dtype](content.buffer) }
  })
}

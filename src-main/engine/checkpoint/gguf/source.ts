// The tensors of a GGUF file or split set under their own names: plain elements as they lie, packed ones decoded by whole
// blocks when they are read.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { type DataType, bitsOf } from '../../graph/ir.ts'
import { decodeBlocks } from '../../kernels/ggml/decode.ts'
import { type GgmlType, ggmlTypes } from '../../kernels/ggml/types.ts'
import { SourceFile } from '../file.ts'
import type { TensorInfo, TensorSource } from '../network.ts'
import { refuseForeignGguf } from '../sniff.ts'
import type { Bytes } from './cursor.ts'
import { type GgufHeader, type GgufTensor, readGgufHeader } from './header.ts'
import { checkSet } from './split.ts'

const plainTypes: Partial<Record<GgmlType, DataType>> = {
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  F64: 'float64',
  I8: 'int8',
  I16: 'int16',
  I32: 'int32',
  I64: 'int64',
}

const chunkBlocks = 1 << 15 // decoded at a time, so that packed bytes and numbers are not both held whole

export interface GgufSource extends TensorSource {
  readonly header: GgufHeader // of the first file: it has the metadata
  readonly bytes: number // of all files
  /** Bytes [begin, end) as they lie in the file, also of a plain tensor. */
  readRaw(name: string, begin: number, end: number): Uint8Array
}

type OpenFile = Bytes & { close(): void }

interface Place extends GgufTensor {
  file: OpenFile
  plain: boolean
}

/** Opens the files of one model; only headers are read. Faults as readGgufHeader, and where parts do not fit together. */
export function openGguf(paths: readonly string[]): GgufSource {
  const files: SourceFile[] = []
  try {
    for (const path of paths) {
      const file = new SourceFile(path)
      files.push(file)
      refuseForeignGguf(file)
    }
    return ggufFrom(files)
  } catch (error) {
    for (const file of files) file.close()
    throw error
  }
}

/** As openGguf, of files that are open, or bytes in memory. */
export function ggufFrom(files: readonly OpenFile[]): GgufSource {
  const headers = files.map((file) => ({ file, header: readGgufHeader(file) }))
  checkSet(headers.map(({ file, header }) => ({ path: file.path, header })))
  const [first] = headers
  if (!first) throw new Fault('internal', 'no GGUF file to open')
  const places = new Map(
    headers.flatMap(({ file, header }) =>
      header.tensors.map((tensor): [string, Place] => [
        tensor.name,
        { ...tensor, file, plain: plainTypes[tensor.type] !== undefined },
      ]),
    ),
  )
  return {
    header: first.header,
    bytes: files.reduce((sum, file) => sum + file.size, 0),
    tensors: new Map([...places].map(([name, place]) => [name, infoOf(place)])),
    read: (name, range) => read(find(places, name), range),
    readStored: (name, range) => {
      const place = find(places, name)
      return place.plain ? null : raw(place, range)
    },
    readRaw: (name, begin, end) => raw(find(places, name), { begin, end }),
    close: () => {
      for (const file of files) file.close()
    },
  }
}

function infoOf({ name, type, shape, begin, end, file }: Place): TensorInfo {
  const dtype = plainTypes[type]
  if (dtype) return { name, dtype, shape, bytes: end - begin, file: file.path }
  const elements = shape.reduce((product, size) => product * size, 1)
  return {
    name,
    dtype: 'float32',
    shape,
    bytes: elements * 4,
    file: file.path,
    stored: { type, bytes: end - begin },
  }
}

function find(places: ReadonlyMap<string, Place>, name: string): Place {
  const place = places.get(name)
  if (place) return place
  throw new Fault('not-found', `no tensor ${JSON.stringify(name)}`, { data: { tensor: name } })
}

function raw(place: Place, range?: { begin: number; end: number }): Uint8Array {
  const { file, begin, end } = place
  if (!range) return file.read(begin, end)
  checkRange(place, end - begin, range)
  return file.read(begin + range.begin, begin + range.end)
}

function checkRange({ name, file }: Place, bytes: number, range: { begin: number; end: number }): void {
  if (range.begin >= 0 && range.begin <= range.end && range.end <= bytes) return
  throw new Fault('internal', `tensor ${name}: bytes ${range.begin} to ${range.end} of ${bytes}`, {
    data: { file: file.path, tensor: name },
  })
}

/** Decoded bytes. Of a packed tensor only the blocks that cover the range are read. */
function read(place: Place, range?: { begin: number; end: number }): Uint8Array {
  if (place.plain) return raw(place, range)
  const { name, type, file } = place
  const { blockSize, blockBytes } = ggmlTypes[type]
  const width = bitsOf.float32 / 8
  const total = ((place.end - place.begin) / blockBytes) * blockSize * width
  const { begin, end } = range ?? { begin: 0, end: total }
  checkRange(place, total, { begin, end })
  if (begin % width !== 0 || end % width !== 0) {
    throw new Fault('internal', `tensor ${name}: bytes ${begin} to ${end} cut a number`, { data: { file: file.path } })
  }
  if (begin === end) return new Uint8Array(0)
  const [from, to] = [begin / width, end / width]
  const [first, last] = [Math.floor(from / blockSize), Math.ceil(to / blockSize)]
  const numbers = new Float32Array((last - first) * blockSize)
  for (let block = first; block < last; block += chunkBlocks) {
    const stop = Math.min(last, block + chunkBlocks)
    const bytes = file.read(place.begin + block * blockBytes, place.begin + stop * blockBytes)
    decodeBlocks(type, bytes, numbers.subarray((block - first) * blockSize, (stop - first) * blockSize))
  }
  const offset = (from - first * blockSize) * width
  // A range that begins inside a block is copied, so that any typed array may view what is returned.
  return offset === 0
    ? new Uint8Array(numbers.buffer, 0, end - begin)
    : new Uint8Array(numbers.buffer).slice(offset, offset + end - begin)
}

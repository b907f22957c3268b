// A PyTorch file as tensors by name. Opening reads the pickle only; bytes of tensors stay in the file.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { ByteRange } from '../onnx/wire.ts'
import { openArchive, type PickledFile } from './archive.ts'
import { gather, spanOf } from './gather.ts'
import { openLegacy } from './legacy.ts'
import { stateDictOf } from './state-dict.ts'
import { isContiguous, widthOf } from './tensor.ts'
import type { PickleTensor } from './values.ts'

export interface PytorchFile {
  tensors: ReadonlyMap<string, PickleTensor>
  /** Tensors that are the same numbers as an earlier one: name -> that one's. */
  aliases: ReadonlyMap<string, string>
  notices: string[]
  form: string
  read(name: string, begin: number, end: number): Uint8Array
}

const mostSpreadBytes = 64 << 20

/** Faults 'bad-input', 'unsupported' and 'too-large', naming file, place and byte. */
export function readPytorch(range: ByteRange): PytorchFile {
  const file = isArchive(range) ? openArchive(range) : openLegacy(range)
  const { tensors, notices } = stateDictOf(file.root, range.path)
  for (const [name, tensor] of tensors) checkSpread(range.path, name, tensor)
  const aliases = aliasesOf(tensors)
  if (aliases.size > 0) {
    const pairs = [...aliases].slice(0, 3).map(([name, other]) => `${name} = ${other}`)
    notices.push(`${aliases.size} tensors are the same numbers as another (tied): ${pairs.join(', ')}.`)
  }
  return { tensors, aliases, notices, form: file.form, read: readerOf(file, tensors) }
}

/** By its first bytes, or by its last, so that what lies before an archive is told as such. */
function isArchive(range: ByteRange): boolean {
  const head = range.read(0, Math.min(4, range.size))
  if (head[0] === 0x50 && head[1] === 0x4b) return true
  const tail = range.read(Math.max(0, range.size - 22), range.size)
  return tail[0] === 0x50 && tail[1] === 0x4b && tail[2] === 5 && tail[3] === 6
}

/** A view may repeat elements (stride 0). Beyond what its storage holds and a sane size, it is a bomb. */
function checkSpread(path: string, name: string, tensor: PickleTensor): void {
  const bytes = bytesOf(tensor)
  if (bytes <= mostSpreadBytes || bytes <= tensor.storage.bytes) return
  throw new Fault(
    'too-large',
    `${path}: tensor ${JSON.stringify(name.slice(0, 200))}: ${bytes} bytes out of a storage of ${tensor.storage.bytes}`,
    {
      hint: 'Save the checkpoint with contiguous tensors.',
      data: { file: path, tensor: name },
    },
  )
}

export const bytesOf = ({ shape, dtype }: PickleTensor): number =>
  shape.reduce((product, length) => product * length, widthOf(dtype))

function aliasesOf(tensors: ReadonlyMap<string, PickleTensor>): Map<string, string> {
  const first = new Map<string, string>()
  const aliases = new Map<string, string>()
  for (const [name, tensor] of tensors) {
    if (bytesOf(tensor) === 0) continue
    const { storage, dtype, offset, shape, strides } = tensor
    const key = JSON.stringify([storage.key, storage.begin, dtype, offset, shape, strides])
    const other = first.get(key)
    if (other === undefined) first.set(key, name)
    else aliases.set(name, other)
  }
  return aliases
}

function readerOf(file: PickledFile, tensors: ReadonlyMap<string, PickleTensor>): PytorchFile['read'] {
  // Of a view that does not lie in one run the last one read is kept whole: it is read in many ranges one after another.
  let last: { name: string; bytes: Uint8Array } | null = null
  return (name, begin, end) => {
    const tensor = tensors.get(name)
    if (!tensor) throw new Fault('not-found', `no tensor ${JSON.stringify(name)}`, { data: { tensor: name } })
    const { storage } = tensor
    const read = (from: number, to: number) => file.read(storage.key, storage.begin + from, storage.begin + to)
    if (isContiguous(tensor)) {
      const at = spanOf(tensor).begin
      return read(at + begin, at + end)
    }
    if (last?.name !== name) last = { name, bytes: gather(tensor, read) }
    return last.bytes.slice(begin, end)
  }
}

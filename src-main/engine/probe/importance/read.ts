// Reads imatrix files: the GGUF form (write.ts) and the older one:
//   | i32 entries | entries | i32 chunks | i32 bytes | data set's name |   (the last three may be missing)
//   entry: | i32 bytes | name | i32 calls | i32 values | float32 each, summed over calls |       experts behind one another
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { SourceFile } from '../../checkpoint/file.ts'
import { readGgufHeader } from '../../checkpoint/gguf/header.ts'

/** Mean squared activation of each column, of every part (expert) of a tensor. */
export interface ImatrixEntry {
  name: string
  parts: number
  values: Float32Array // [parts, columns]
}

export interface Imatrix {
  entries: ImatrixEntry[]
}

const mostBytes = 1 << 30

/** Faults 'bad-input' naming file, entry and byte. */
export function readImatrix(path: string): Imatrix {
  const file = new SourceFile(path)
  try {
    if (file.size > mostBytes)
      throw new Fault('too-large', `${path}: ${file.size} bytes, at most ${mostBytes} are read of an imatrix file`, {
        data: { file: path, expected: `at most ${mostBytes} bytes`, found: String(file.size) },
      })
    const magic = Buffer.from(file.read(0, Math.min(4, file.size))).toString('latin1')
    const found = magic === 'GGUF' ? readGguf(file) : readOlder(file)
    if (found.entries.length === 0) throw wrong(path, 'it holds no entries')
    return found
  } finally {
    file.close()
  }
}

const wrong = (file: string, what: string, offset?: number): Fault =>
  new Fault('bad-input', `${file}: not a usable imatrix file: ${what}`, {
    hint: 'Make it anew with "lathe imatrix" or llama.cpp\'s llama-imatrix.',
    data: { file, ...(offset !== undefined && { offset }) },
  })

function readGguf(file: SourceFile): Imatrix {
  const { metadata, tensors } = readGgufHeader(file)
  const type = metadata.get('general.type')
  if (type?.type !== 'string' || type.value !== 'imatrix')
    throw wrong(file.path, 'general.type is not "imatrix" (a model, perhaps?)')
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]))
  const floats = (name: string): { values: Float32Array; shape: number[] } => {
    const tensor = byName.get(name)
    if (tensor?.type !== 'F32') throw wrong(file.path, `tensor ${name} is missing or not F32`)
    return { values: new Float32Array(file.read(tensor.begin, tensor.end).buffer), shape: tensor.shape }
  }
  const entries = tensors.flatMap(({ name }): ImatrixEntry[] => {
    if (!name.endsWith('.in_sum2')) return []
    const own = name.slice(0, -'.in_sum2'.length)
    const { values, shape } = floats(name)
    const counts = floats(`${own}.counts`).values
    const columns = shape.at(-1) ?? 0
    const parts = columns === 0 ? 0 : values.length / columns
    if (counts.length !== parts) throw wrong(file.path, `${own}: ${counts.length} counts for ${parts} parts`)
    const means = values.map((sum, i) => {
      const count = counts[Math.floor(i / columns)] as number
      return count > 0 ? sum / count : 1 // an expert that no token chose: nothing is known, as llama-quantize takes it
    })
    return [checked(file.path, { name: own, parts, values: means })]
  })
  return { entries }
}

function readOlder(file: SourceFile): Imatrix {
  const bytes = file.read(0, file.size)
  const view = new DataView(bytes.buffer)
  let at = 0
  const number = (what: string, most: number): number => {
    if (at + 4 > bytes.length) throw wrong(file.path, `it ends within ${what}`, at)
    const value = view.getInt32(at, true)
    if (value < 0 || value > most) throw wrong(file.path, `${what} is ${value}`, at)
    at += 4
    return value
  }
  const count = number('the number of entries', 1_000_000)
  const entries: ImatrixEntry[] = []
  for (let i = 0; i < count; i++) {
    const length = number(`the length of name ${i}`, bytes.length - at)
    if (length === 0 || at + length > bytes.length) throw wrong(file.path, `name ${i} is empty or cut off`, at)
    const name = Buffer.from(bytes.subarray(at, at + length)).toString('utf8')
    at += length
    const calls = number(`the calls of ${name}`, 2 ** 31 - 1)
    const values = number(`the number of values of ${name}`, 2 ** 28)
    if (at + values * 4 > bytes.length) throw wrong(file.path, `the values of ${name} are cut off`, at)
    const own = new Float32Array(bytes.slice(at, at + values * 4).buffer).map((sum) => (calls > 0 ? sum / calls : sum))
    entries.push(checked(file.path, { name, parts: 1, values: own }))
    at += values * 4
  }
  return { entries }
}

function checked(file: string, entry: ImatrixEntry): ImatrixEntry {
  const bad = entry.values.findIndex((value) => !(Number.isFinite(value) && value >= 0))
  if (bad < 0) return entry
  throw wrong(file, `value ${bad} of ${entry.name} is ${entry.values[bad]}`)
}

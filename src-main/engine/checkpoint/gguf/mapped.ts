// Tensors of a GGUF file under their Hugging Face names and in Hugging Face's layout, as the rules of an architecture say.
// Rows are moved whole, so a packed tensor stays packed for those who ask for it as stored.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { bitsOf } from '../../graph/ir.ts'
import { toFloat32 } from '../convert.ts'
import type { TensorInfo, TensorSource } from '../network.ts'
import type { TensorPart, TensorRule } from './architectures/define.ts'
import { orderFits, targetRow } from './architectures/rows.ts'
import { ggufFault } from './cursor.ts'
import type { GgufSource } from './source.ts'

interface Range {
  begin: number
  end: number
}

interface Mapped {
  info: TensorInfo
  rule: TensorRule
  part: TensorPart
  rows: number // of the part: elements of a vector, all but the last dimension of anything else
  first: number // its first row in the GGUF tensor
  cols: number
}

/** The mapped source, and what no rule took, which stays under its own name. `hidden` tensors are not listed. */
export function mapTensors(
  base: GgufSource,
  rules: readonly TensorRule[],
  hidden: ReadonlySet<string>,
): { source: TensorSource; rest: string[] } {
  const mapped = new Map<string, Mapped>()
  const taken = new Set(hidden)
  for (const rule of rules) {
    const info = base.tensors.get(rule.gguf)
    if (!info || taken.has(rule.gguf) || rule.parts.some(({ name }) => mapped.has(name))) continue
    taken.add(rule.gguf)
    for (const part of cut(rule, info)) mapped.set(part.info.name, part)
  }
  const rest = [...base.tensors.keys()].filter((name) => !taken.has(name))
  const tensors = new Map([...mapped].map(([name, { info }]) => [name, info]))
  for (const name of rest) tensors.set(name, base.tensors.get(name) as TensorInfo)
  const source: TensorSource = {
    tensors,
    read(name, range) {
      const found = mapped.get(name)
      return found ? read(base, found, range ?? { begin: 0, end: found.info.bytes }) : base.read(name, range)
    },
    readStored(name, range) {
      const found = mapped.get(name)
      if (!found) return base.readStored?.(name, range) ?? null
      const { info, rule, part, cols } = found
      const moves = part.order !== undefined && info.shape.length < 2 // rows of one number lie inside a block
      if (!info.stored || rule.transposed || rule.plus || rule.skip || moves || cols === 0) return null
      const own = range ?? { begin: 0, end: info.stored.bytes }
      return gather(found, info.stored.bytes, own, (begin, end) => base.readRaw(rule.gguf, begin, end))
    },
    close: () => base.close(),
  }
  return { source, rest }
}

/** The parts of one GGUF tensor. Faults 'bad-input' where its shape is not what the rule says. */
function cut(rule: TensorRule, info: TensorInfo): Mapped[] {
  const { shape, name } = info
  const wrong = (expected: string) =>
    ggufFault(info.file, `tensor ${name} is [${shape.join(', ')}], expected ${expected}`, {
      tensor: name,
      expected,
      found: `[${shape.join(', ')}]`,
      hint: 'Tensors and metadata of the file belong to different models.',
    })
  const count = rule.parts.length
  const outer = shape[0] ?? 1
  if (rule.stacked && (shape.length < 2 || outer !== count)) throw wrong(`${count} matrices behind one another`)
  const inner = rule.stacked ? shape.slice(1) : shape
  const elements = inner.reduce((product, size) => product * size, 1)
  const cols = inner.length > 1 ? (inner.at(-1) ?? 1) : 1
  const rowsEach = (inner[0] === 0 || cols === 0 ? 0 : elements / cols) / (inner[0] || 1)
  let first = 0
  const parts = rule.parts.map((part) => {
    const height = rule.stacked || count === 1 ? (inner[0] ?? 1) : (part.rows ?? outer / count)
    const rows = height * rowsEach
    if (!Number.isInteger(height) || !orderFits(part.order, rows)) throw wrong('rows that can be cut into heads')
    const mapped = {
      ...describe(rule, part, info, [height, ...inner.slice(1)].slice(0, inner.length)),
      rule,
      part,
      rows,
      first,
      cols,
    }
    first += rows
    return mapped
  })
  const total = (rule.stacked ? outer : 1) * (inner[0] ?? 1) * rowsEach
  if (first !== total) throw wrong(`${first} rows`)
  if (rule.transposed && shape.length !== 2) throw wrong('a matrix')
  return parts
}

function describe(rule: TensorRule, part: TensorPart, info: TensorInfo, own: number[]): { info: TensorInfo } {
  let shape = own
  if (rule.transposed) shape = [...own].reverse()
  if (rule.flat) shape = [1, ...own]
  if (rule.skip) shape = [(own[0] ?? 0) + rule.skip, ...own.slice(1)]
  const dtype = rule.plus ? 'float32' : info.dtype
  const elements = (of: readonly number[]) => of.reduce((product, size) => product * size, 1)
  const share = elements(info.shape) === 0 ? 0 : elements(own) / elements(info.shape)
  return {
    info: {
      name: part.name,
      dtype,
      shape,
      bytes: (elements(shape) * bitsOf[dtype]) / 8,
      file: info.file,
      ...(info.stored && { stored: { type: info.stored.type, bytes: info.stored.bytes * share } }),
    },
  }
}

function read(base: GgufSource, mapped: Mapped, range: Range): Uint8Array {
  const { info, rule, rows, cols } = mapped
  if (!(range.begin >= 0 && range.begin <= range.end && range.end <= info.bytes)) {
    throw new Fault('internal', `tensor ${info.name}: bytes ${range.begin} to ${range.end} of ${info.bytes}`, {
      data: { file: info.file, tensor: info.name },
    })
  }
  const dtype = base.tensors.get(rule.gguf)?.dtype ?? info.dtype
  const width = bitsOf[dtype] / 8
  const window = (begin: number, end: number) => base.read(rule.gguf, { begin, end })
  const plain = (wanted: Range) => gather(mapped, rows * cols * width, wanted, window)
  if (rule.transposed) return transpose(plain({ begin: 0, end: rows * cols * width }), rows, cols, width, range)
  if (rule.plus) {
    const own = { begin: (range.begin / 4) * width, end: (range.end / 4) * width }
    const numbers = toFloat32(plain(own), dtype).map((x) => x - (rule.plus ?? 0))
    return new Uint8Array(numbers.buffer)
  }
  if (rule.skip) {
    const missing = rule.skip * cols * width
    const out = new Uint8Array(range.end - range.begin) // rows that nobody reads are zero
    const own = { begin: Math.max(0, range.begin - missing), end: Math.max(0, range.end - missing) }
    out.set(plain(own), Math.max(0, missing - range.begin))
    return out
  }
  return plain(range)
}

/** Bytes of a part in the order of its Hugging Face rows. Rows move only within runs of one head, so windows are short. */
function gather(
  mapped: Mapped,
  bytes: number,
  range: Range,
  read: (begin: number, end: number) => Uint8Array,
): Uint8Array {
  const { rows, first, part } = mapped
  const rowBytes = rows === 0 ? 0 : bytes / rows
  const { order } = part
  if (!order || rowBytes === 0) return read(first * rowBytes + range.begin, first * rowBytes + range.end)
  const run = rows / order.heads / (order.kind === 'grouped' ? 3 : 1)
  const [from, to] = [Math.floor(range.begin / rowBytes), Math.ceil(range.end / rowBytes)]
  const out = new Uint8Array((to - from) * rowBytes)
  for (let start = Math.floor(from / run) * run; start < to; start += run) {
    const base = targetRow(order, rows, start)
    const window = read((first + base) * rowBytes, (first + base + run) * rowBytes)
    for (let row = Math.max(from, start); row < Math.min(to, start + run); row++) {
      const at = (targetRow(order, rows, row) - base) * rowBytes
      out.set(window.subarray(at, at + rowBytes), (row - from) * rowBytes)
    }
  }
  const skipped = range.begin - from * rowBytes
  return skipped === 0 && out.length === range.end - range.begin
    ? out
    : out.slice(skipped, skipped + range.end - range.begin)
}

/** Bytes `range` of the [cols, rows] transpose of a [rows, cols] matrix. */
function transpose(bytes: Uint8Array, rows: number, cols: number, width: number, range: Range): Uint8Array {
  const out = new Uint8Array(range.end - range.begin)
  const [from, to] = [range.begin / width, range.end / width]
  for (let at = from; at < to; at++) {
    const source = ((at % rows) * cols + Math.floor(at / rows)) * width
    for (let byte = 0; byte < width; byte++) out[(at - from) * width + byte] = bytes[source + byte] as number
  }
  return out
}

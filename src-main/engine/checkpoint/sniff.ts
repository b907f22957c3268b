// What a file really is, by its first bytes; names lie. Nothing here parses: it only chooses the reader or the refusal.
import { Fault } from '../../../src-preload/contract/fault.ts'
import { SourceFile } from './file.ts'

export type FileKind = 'safetensors' | 'onnx' | 'gguf' | 'pytorch' | 'refused'

interface Refusal {
  code: 'unsupported' | 'bad-input'
  what: string // 'is ...'
  hint: string
  matches: (head: Buffer, file: SourceFile) => boolean
}

const starts = (...bytes: number[]) => {
  const magic = Buffer.from(bytes)
  return (head: Buffer) => head.subarray(0, magic.length).equals(magic)
}
const holds = (text: string, at: number) => (head: Buffer) => head.toString('latin1', at, at + text.length) === text
const convert = 'Convert it to safetensors (save_pretrained with safe_serialization) or to ONNX, then open that.'

const refusals: Refusal[] = [
  {
    code: 'bad-input',
    what: 'is empty',
    hint: 'The download did not finish. Download it again.',
    matches: (_, file) => file.size === 0,
  },
  {
    code: 'bad-input',
    what: 'is a Git LFS pointer, not the file itself',
    hint: 'Run "git lfs pull" in the folder, or download the file from its page.',
    matches: holds('version https://git-lfs.github.com/spec/', 0),
  },
  {
    code: 'bad-input',
    what: 'is an AppleDouble side file of macOS, not a checkpoint',
    hint: 'Open the file of the same name without "._" in front.',
    matches: starts(0x00, 0x05, 0x16, 0x07),
  },
  {
    code: 'unsupported',
    what: 'is a GGUF file',
    hint: 'Give it a name that ends in .gguf, and open it by itself.',
    matches: (head) => isGguf(head),
  },
  {
    code: 'unsupported',
    what: 'is a zip archive (PyTorch .pt or .bin files are such archives around a pickle)',
    hint: 'Give it a name that ends in .pt or .bin, and open it by itself.',
    matches: (head) => isZip(head),
  },
  {
    code: 'unsupported',
    what: 'is a Python pickle',
    hint: 'Give it a name that ends in .pt or .bin, and open it by itself.',
    matches: (head) => isPickle(head),
  },
  {
    code: 'unsupported',
    what: 'is an ONNX Runtime flatbuffer (.ort)',
    hint: 'Open the ONNX file it was made from.',
    matches: holds('ORTM', 4),
  },
  {
    code: 'unsupported',
    what: 'is a TensorFlow Lite flatbuffer',
    hint: 'Convert it to ONNX (tf2onnx), then open that.',
    matches: holds('TFL3', 4),
  },
  {
    code: 'unsupported',
    what: 'is an HDF5 file',
    hint: 'Convert it to ONNX or safetensors, then open that.',
    matches: starts(0x89, 0x48, 0x44, 0x46),
  },
  {
    code: 'unsupported',
    what: 'is a NumPy array',
    hint: 'Arrays are data, not checkpoints. Choose it in the data step.',
    matches: starts(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59),
  },
  {
    code: 'unsupported',
    what: 'is a tar archive (PyTorch wrote such before 2017)',
    hint: `Unpack it, if it is an archive of files. ${convert}`,
    matches: holds('ustar', 257),
  },
  {
    code: 'unsupported',
    what: 'is a compressed archive',
    hint: 'Unpack it first, then open the checkpoint inside.',
    matches: (head) =>
      starts(0x1f, 0x8b)(head) || starts(0x37, 0x7a, 0xbc, 0xaf)(head) || starts(0x28, 0xb5, 0x2f, 0xfd)(head),
  },
  {
    code: 'bad-input',
    what: 'is a web page, not a checkpoint',
    hint: 'The download saved an error or login page. Download the file again.',
    matches: (head) => /^\s*<(!doctype|html)/i.test(head.toString('latin1', 0, 64)),
  },
]

/** Either byte order: the reader says what is wrong with the other one. */
const isGguf = (head: Buffer) => /^(GGUF|FUGG)/.test(head.toString('latin1', 0, 4))

const isZip = (head: Buffer) => /^PK(\x03\x04|\x05\x06|\x06\x06|\x07\x08)/.test(head.toString('latin1', 0, 4))

// Protocol 2 to 5 begins 0x80 <protocol>, then a frame, a container, a number or a global; protocol 0 is text.
const isPickle = (head: Buffer) => {
  const protocol = head[1] ?? 0
  if (head[0] === 0x80 && protocol >= 2 && protocol <= 5)
    return /^[\x95}\](cX\x8a\x8c\x8dKJM.N)]/.test(head.toString('latin1', 2, 3))
  return /^(\(?[dlp]p?[0-9]*\n|c[a-zA-Z_][\w.]*\n[a-zA-Z_]\w*\n)/.test(head.toString('latin1', 0, 200))
}

// Eight bytes of header length (the upper four are zero in any sane file), then JSON: a brace after optional blanks.
const isSafetensors = (head: Buffer) =>
  head.length >= 9 && head.readUInt32LE(4) === 0 && /^[ \t\r\n]*\{/.test(head.toString('latin1', 8))

/** Chooses the reader by content, by extension only where content does not tell. Faults with a plain hint on the rest. */
export function sniff(path: string): FileKind {
  const file = new SourceFile(path)
  try {
    const head = Buffer.from(file.read(0, Math.min(file.size, 512)))
    if (isSafetensors(head)) return 'safetensors'
    if (isGguf(head)) return 'gguf'
    if (isZip(head) || isPickle(head)) return 'pytorch'
    refuseKnown(file, head)
    if (/\.gguf$/i.test(path)) return 'gguf'
    if (/\.(pt|pth|th|ckpt|bin)$/i.test(path)) return 'pytorch'
    return /\.safetensors$/i.test(path) ? 'safetensors' : 'onnx'
  } finally {
    file.close()
  }
}

/** The same refusals for a file whose reader is already chosen (a shard of a folder). */
export function refuseForeign(file: SourceFile): void {
  const head = Buffer.from(file.read(0, Math.min(file.size, 512)))
  if (!isSafetensors(head)) refuseKnown(file, head)
}

/** As refuseForeign, for a part of a GGUF model. */
export function refuseForeignGguf(file: SourceFile): void {
  const head = Buffer.from(file.read(0, Math.min(file.size, 512)))
  if (!isGguf(head)) refuseKnown(file, head)
}

/** As refuseForeign, for a file of PyTorch weights. */
export function refuseForeignPytorch(file: SourceFile): void {
  const head = Buffer.from(file.read(0, Math.min(file.size, 512)))
  if (!isZip(head) && !isPickle(head)) refuseKnown(file, head)
}

function refuseKnown(file: SourceFile, head: Buffer): void {
  for (const refusal of refusals) if (refusal.matches(head, file)) throw refuse(file.path, refusal, head)
}

function refuse(path: string, refusal: Refusal, head: Buffer): Fault {
  const size = /^size ([0-9]+)$/m.exec(head.toString('latin1'))?.[1]
  const more = refusal.what.startsWith('is a Git LFS pointer') && size ? ` (${size} bytes)` : ''
  return new Fault(refusal.code, `${path}: this ${refusal.what}${more}`, {
    hint: refusal.hint,
    data: { file: path, offset: 0, expected: 'an ONNX, safetensors, GGUF or PyTorch file, or a Hugging Face folder' },
  })
}

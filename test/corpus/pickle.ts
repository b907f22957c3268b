// Pickles by hand, operation by operation, and the archives around them.
import { zip, type ZipPart, type ZipWhole } from './zip.ts'

export type Piece = string | Uint8Array // text stands for its Latin-1 bytes

export const pickle = (...pieces: Piece[]): Uint8Array =>
  new Uint8Array(
    Buffer.concat(pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece))),
  )

const little = (value: number | bigint, width: number): string => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)))
  return bytes.toString('latin1', 0, width)
}

export const protocol2 = '\x80\x02'
export const text = (value: string) => {
  const bytes = Buffer.from(value).toString('latin1')
  return `X${little(bytes.length, 4)}${bytes}`
}
export const int = (value: number | bigint) =>
  value >= -(2 ** 31) && value < 2 ** 31 ? `J${little(value, 4)}` : `\x8a\x08${little(value, 8)}`
export const global = (module: string, name: string) => `c${module}\n${name}\n`
export const tuple = (...items: string[]) => `(${items.join('')}t`
export const dict = (...pairs: [string, string][]) => `}(${pairs.flat().join('')}u`
export const put = (index: number) => `r${little(index, 4)}`
export const long4 = (length: number) => `\x8b${little(length, 4)}`
export const bytes8 = (length: number | bigint) => `\x8e${little(length, 8)}`

export interface TensorPiece {
  key?: string
  type?: string
  numel?: number | bigint
  offset?: number | bigint
  shape?: readonly (number | bigint)[]
  strides?: readonly (number | bigint)[]
  rebuild?: [module: string, name: string]
}

export const storage = ({ key = '0', type = 'FloatStorage', numel = 6 }: TensorPiece = {}) =>
  `${tuple(text('storage'), global('torch', type), text(key), text('cpu'), int(numel))}Q`

/** float32 [2, 3] on storage '0' unless told. */
export const tensor = (parts: TensorPiece = {}) => {
  const { offset = 0, shape = [2, 3], strides = [3, 1], rebuild = ['torch._utils', '_rebuild_tensor_v2'] } = parts
  const sizes = tuple(...shape.map(int)) + tuple(...strides.map(int))
  return `${global(...rebuild)}${tuple(storage(parts), int(offset), sizes, '\x89', `${global('collections', 'OrderedDict')})R`)}R`
}

/** One tensor called w. */
export const stateDict = (parts: TensorPiece = {}) => pickle(protocol2, dict([text('w'), tensor(parts)]), '.')

export const sixFloats = new Uint8Array(new Float32Array([1, 2, 3, 4, 5, 6]).buffer)

export interface ArchiveParts {
  program?: Uint8Array
  storages?: Record<string, Uint8Array>
  more?: ZipPart[]
  whole?: ZipWhole
  /** Changes the entry of the pickle. */
  entry?: Partial<ZipPart>
}

/** What torch.save writes, in the plainest form. */
export const archive = ({
  program = stateDict(),
  storages = { 0: sixFloats },
  more = [],
  whole,
  entry,
}: ArchiveParts = {}) =>
  zip(
    [
      { name: 'archive/data.pkl', data: program, ...entry },
      ...Object.entries(storages).map(([key, data]) => ({ name: `archive/data/${key}`, data })),
      { name: 'archive/version', data: '3\n' },
      ...more,
    ],
    whole,
  )

const magic = pickle('\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.')

/** The form before PyTorch 1.6. */
export function legacy({
  little: isLittle = true,
  program = legacyDict(),
  keys = ['0'],
  data = [sixFloats],
  after = new Uint8Array(),
} = {}) {
  const system = pickle(protocol2, dict([text('little_endian'), isLittle ? '\x88' : '\x89']), '.')
  const list = pickle(protocol2, `](${keys.map(text).join('')}e.`)
  const contents = data.flatMap((bytes) => [Uint8Array.from(Buffer.from(little(bytes.length / 4, 8), 'latin1')), bytes])
  return pickle(magic, pickle(protocol2, 'M\xe9\x03.'), system, program, list, ...contents, after)
}

export const legacyStorage = (view = 'N', numel = 6) =>
  `${tuple(text('storage'), global('torch', 'FloatStorage'), text('0'), text('cpu'), int(numel), view)}Q`

export const legacyDict = (from = legacyStorage(), shape = [2, 3], strides = [3, 1]): Uint8Array => {
  const sizes = tuple(...shape.map(int)) + tuple(...strides.map(int))
  const made = `${global('torch._utils', '_rebuild_tensor')}${tuple(from, int(0), sizes)}R`
  return pickle(protocol2, dict([text('w'), made]), '.')
}

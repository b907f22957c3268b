// Zip archives, good and bad, byte by byte. Plain ones look as Python's zipfile writes them; torch's own are in the goldens.
import { crc32, deflateRawSync } from 'node:zlib'

export interface ZipPart {
  name: string
  data: Uint8Array | string
  deflate?: boolean
  // What the headers say instead of the truth:
  crc?: number
  bytes?: number | bigint // of the content; more than 32 bits go into a zip64 field
  packedBytes?: number
  flags?: number
  method?: number
  attributes?: number // of the file, Unix mode in the upper half
  localName?: string
  localCrc?: number
  header?: number | bigint // offset of the local header
}

export interface ZipWhole {
  before?: Uint8Array
  between?: Uint8Array // after the last entry, before the directory
  after?: Uint8Array
  comment?: string
  count?: number // that the end record gives
  zip64?: { count?: bigint; size?: bigint; begin?: bigint } | true // an end record of 64 bits too
}

const latin = (text: string) => Buffer.from(text, 'latin1')
const all = 0xffff_ffff

const numbers = (...fields: [width: 2 | 4 | 8, value: number | bigint][]): Buffer =>
  Buffer.concat(
    fields.map(([width, value]) => {
      const bytes = Buffer.alloc(8)
      bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)))
      return bytes.subarray(0, width)
    }),
  )

export function zip(parts: readonly ZipPart[], whole: ZipWhole = {}): Uint8Array {
  const chunks: Uint8Array[] = [whole.before ?? new Uint8Array()]
  const directory: Uint8Array[] = []
  let at = chunks[0]?.length ?? 0
  for (const part of parts) {
    const data = typeof part.data === 'string' ? Buffer.from(part.data) : part.data
    const packed = part.deflate ? deflateRawSync(data) : data
    const name = Buffer.from(part.name)
    const local = Buffer.from(part.localName ?? part.name)
    const crc = part.crc ?? crc32(data)
    const bytes = part.bytes ?? data.length
    const wide = [bytes, part.header ?? 0].filter((value) => value >= all)
    const extra =
      wide.length > 0
        ? numbers([2, 1], [2, 8 * wide.length], ...wide.map((value): [8, bigint] => [8, BigInt(value)]))
        : Buffer.alloc(0)
    const narrow = (value: number | bigint) => (value >= all ? all : value)
    const common = (crcHere: number): Buffer =>
      numbers(
        [2, 20],
        [2, part.flags ?? 0],
        [2, part.method ?? (part.deflate ? 8 : 0)],
        [4, 0],
        [4, crcHere],
        [4, part.packedBytes ?? packed.length],
        [4, narrow(bytes)],
      )
    const localHeader = Buffer.concat([
      latin('PK\x03\x04'),
      common(part.localCrc ?? crc),
      numbers([2, local.length], [2, extra.length]),
      local,
      extra,
    ])
    directory.push(
      latin('PK\x01\x02'),
      numbers([2, 20]),
      common(crc),
      numbers(
        [2, name.length],
        [2, extra.length],
        [2, 0],
        [2, 0],
        [2, 0],
        [4, part.attributes ?? 0],
        [4, narrow(part.header ?? at)],
      ),
      name,
      extra,
    )
    chunks.push(localHeader, packed)
    at += localHeader.length + packed.length
  }
  const between = whole.between ?? new Uint8Array()
  const begin = at + between.length
  const size = directory.reduce((sum, chunk) => sum + chunk.length, 0)
  const end64: Uint8Array[] = []
  if (whole.zip64) {
    const claims = whole.zip64 === true ? {} : whole.zip64
    const count = claims.count ?? BigInt(parts.length)
    end64.push(
      latin('PK\x06\x06'),
      numbers(
        [8, 44],
        [2, 45],
        [2, 45],
        [4, 0],
        [4, 0],
        [8, count],
        [8, count],
        [8, claims.size ?? size],
        [8, claims.begin ?? begin],
      ),
      latin('PK\x06\x07'),
      numbers([4, 0], [8, begin + size], [4, 1]),
    )
  }
  const comment = latin(whole.comment ?? '')
  const count = whole.count ?? parts.length
  const masked = whole.zip64 && whole.zip64 !== true
  const end = numbers(
    [2, 0],
    [2, 0],
    [2, masked ? 0xffff : count],
    [2, masked ? 0xffff : count],
    [4, masked ? all : size],
    [4, masked ? all : begin],
    [2, comment.length],
  )
  const ending = [latin('PK\x05\x06'), end, comment, whole.after ?? new Uint8Array()]
  return new Uint8Array(Buffer.concat([...chunks, between, ...directory, ...end64, ...ending]))
}

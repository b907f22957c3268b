import { crc32 } from 'node:zlib'
import { readZip, zipFault } from '../../../src-main/engine/checkpoint/pytorch/zip.ts'
import { readEntry } from '../../../src-main/engine/checkpoint/pytorch/zip-data.ts'
import { bytesRange } from '../../../src-main/engine/checkpoint/onnx/wire.ts'
import { archive } from '../../corpus/pickle.ts'
import { zip } from '../../corpus/zip.ts'
import type { FuzzTarget } from '../target.ts'

const described = (): Uint8Array => {
  const data = Buffer.from('hello')
  const numbers = Buffer.alloc(12)
  numbers.writeUInt32LE(crc32(data), 0)
  numbers.writeUInt32LE(5, 4)
  numbers.writeUInt32LE(5, 8)
  const whole = Buffer.from(
    zip([{ name: 'a/x', data, flags: 0x808 }], {
      between: Buffer.concat([Buffer.from('PK\x07\x08', 'latin1'), numbers]),
    }),
  )
  whole.fill(0, 14, 26) // checksum and sizes are not in the local header then
  return new Uint8Array(whole)
}

export const zips: FuzzTarget = {
  name: 'zip',
  seeds: () => [
    zip([{ name: 'a/data.pkl', data: 'x' }]),
    zip(
      [
        { name: 'a/b', data: 'hello hello hello hello', deflate: true },
        { name: 'a/', data: '' },
      ],
      { zip64: true },
    ),
    archive({ entry: { deflate: true } }),
    described(),
    zip([]),
  ],
  run(bytes) {
    const range = bytesRange(bytes, 'fuzz.zip')
    const fault = zipFault(range.path)
    for (const entry of readZip(range).values()) {
      const content = readEntry(range, entry, 1 << 20, fault)
      if (content.length !== entry.bytes) throw new Error(`${entry.name}: ${content.length} bytes, not ${entry.bytes}`)
    }
  },
  dictionary: [
    'PK\x03\x04',
    'PK\x01\x02',
    'PK\x05\x06',
    'PK\x06\x06',
    'PK\x06\x07',
    'PK\x07\x08',
    '\x01\0\x08\0',
    '\x01\0\x10\0',
    '../',
    'C:\\',
    'a/data.pkl',
  ],
  /** Checksums and the end record fit again where entries can still be found. */
  mend(bytes) {
    const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    for (
      let at = whole.indexOf('PK\x01\x02');
      at >= 0 && at + 46 <= whole.length;
      at = whole.indexOf('PK\x01\x02', at + 4)
    ) {
      const header = whole.readUInt32LE(at + 42)
      const size = whole.readUInt32LE(at + 20)
      if (header + 30 > whole.length || whole.readUInt16LE(at + 10) !== 0) continue
      const begin = header + 30 + whole.readUInt16LE(header + 26) + whole.readUInt16LE(header + 28)
      if (begin + size > whole.length) continue
      const crc = crc32(whole.subarray(begin, begin + size))
      whole.writeUInt32LE(crc, at + 16)
      if (whole.readUInt32LE(header + 14) !== 0) whole.writeUInt32LE(crc, header + 14)
    }
    const directory = whole.indexOf('PK\x01\x02')
    const end = whole.length - 22
    if (directory >= 0 && end > directory && whole.toString('latin1', end, end + 4) === 'PK\x05\x06') {
      whole.writeUInt32LE(end - directory, end + 12)
      whole.writeUInt32LE(directory, end + 16)
    }
    return bytes
  },
}

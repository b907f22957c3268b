import { crc32, deflateSync } from 'node:zlib'

const signature = Buffer.from('89504e470d0a1a0a', 'hex')

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  check.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, check])
}

/** The first bytes of a PNG that says how large it is: 8-bit RGB, and nothing after it. */
export function pngHeader(width: number, height: number): Buffer {
  const sizes = Buffer.alloc(13)
  sizes.writeUInt32BE(width, 0)
  sizes.writeUInt32BE(height, 4)
  sizes.set([8, 2, 0, 0, 0], 8)
  return Buffer.concat([signature, chunk('IHDR', sizes)])
}

/** A whole PNG: a grey ramp. */
export function png(width: number, height: number): Buffer {
  const rows = Buffer.alloc((width * 3 + 1) * height)
  for (let y = 0; y < height; y++) for (let x = 0; x < width * 3; x++) rows[y * (width * 3 + 1) + 1 + x] = (x + y) & 255
  return Buffer.concat([pngHeader(width, height), chunk('IDAT', deflateSync(rows)), chunk('IEND', new Uint8Array())])
}

/** A JPEG up to its frame header: SOI, then SOF0 with one 8-bit component. */
export const header = (width: number, height: number): Buffer =>
  Buffer.from([0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, height >> 8, height & 255, width >> 8, width & 255, 1, 1, 0x11, 0])

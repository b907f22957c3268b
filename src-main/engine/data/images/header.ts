// Size of a JPEG or PNG from its first bytes, before a decoder allocates for it.
//   JPEG: ITU-T T.81 annex B, markers SOF0 .. SOF15 (without DHT C4, JPG C8, DAC CC)
//   PNG: ISO/IEC 15948 section 11.2.1, IHDR is the first chunk

export interface ImageHeader {
  format: 'jpeg' | 'png'
  width: number
  height: number
}

const pngStart = '\x89PNG\r\n\x1a\n\0\0\0\rIHDR'

/** null: neither format, or no size in it. */
export function imageHeader(bytes: Uint8Array): ImageHeader | null {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.length >= 24 && view.toString('latin1', 0, 16) === pngStart)
    return { format: 'png', width: view.readUInt32BE(16), height: view.readUInt32BE(20) }
  if (view.length < 4 || view[0] !== 0xff || view[1] !== 0xd8) return null
  for (let at = 2; at + 9 <= view.length;) {
    if (view[at] !== 0xff) return null
    const marker = view[at + 1] ?? 0
    if (marker === 0xff) {
      at++
      continue
    }
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc)
      return { format: 'jpeg', width: view.readUInt16BE(at + 7), height: view.readUInt16BE(at + 5) }
    const standsAlone = marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)
    if (marker === 0xd9 || marker === 0xda) return null
    at += standsAlone ? 2 : 2 + view.readUInt16BE(at + 2)
  }
  return null
}

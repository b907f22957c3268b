// JPEG (mozjpeg: accurate integer DCT, smooth chroma upsampling, as libjpeg-turbo's defaults) and PNG, as WebAssembly from
// the installed packages: no native code, and a broken image cannot reach our memory.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import decodeJpeg, { init as initJpeg } from '@jsquash/jpeg/decode.js'
import decodePng, { init as initPng } from '@jsquash/png/decode.js'
import { badData, readAll } from '../files.ts'
import { imageHeader } from './header.ts'

/** Interleaved 8-bit RGBA. */
export interface Picture {
  width: number
  height: number
  data: Uint8Array | Uint8ClampedArray
}

const mostPixels = 64 * 2 ** 20
const mostFileBytes = 256 * 2 ** 20
const mostCachedBytes = 256 * 2 ** 20

const compile = (file: string): WebAssembly.Module =>
  new WebAssembly.Module(readFileSync(createRequire(import.meta.url).resolve(file)))

let ready: Promise<void> | null = null
let jpegModule: WebAssembly.Module | null = null

async function prepare(): Promise<void> {
  const module = (jpegModule ??= compile('@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm'))
  const options = {
    instantiateWasm(
      imports: ConstructorParameters<typeof WebAssembly.Instance>[1],
      done: (instance: WebAssembly.Instance) => void,
    ) {
      const instance = new WebAssembly.Instance(module, imports)
      done(instance)
      return instance.exports
    },
    print: () => undefined, // what is wrong with an image is said by our own Fault
    printErr: () => undefined,
  }
  await initJpeg(options as Parameters<typeof initJpeg>[0])
  await initPng(compile('@jsquash/png/codec/pkg/squoosh_png_bg.wasm'))
}

/** Decodes one image of at most 64 million pixels. Faults 'bad-data' naming the file. */
export async function decodeImage(bytes: Uint8Array<ArrayBuffer>, file: string): Promise<Picture> {
  const header = imageHeader(bytes)
  if (!header) throw badData(file, 'neither a JPEG nor a PNG image', { data: { expected: 'JPEG or PNG' } })
  const { format, width, height } = header
  if (width * height === 0 || width * height > mostPixels)
    throw badData(file, `an image of ${width} x ${height} pixels`, { data: { expected: `1 to ${mostPixels} pixels` } })
  await (ready ??= prepare())
  try {
    const decode: (data: ArrayBuffer) => Promise<unknown> = format === 'jpeg' ? decodeJpeg : decodePng
    const picture = (await decode(bytes.buffer)) as Picture
    if (picture.width !== width || picture.height !== height) throw new Error('the size differs from the header')
    return { width, height, data: picture.data }
  } catch (error) {
    ready = null // a decoder that gave up halfway may be left in any state
    throw badData(file, `the ${format.toUpperCase()} image cannot be decoded`, {
      hint: 'The file is damaged or of an unusual kind; convert it to a plain 8-bit RGB image.',
      cause: error,
    })
  }
}

/** Decodes files and keeps the latest in memory, up to 256 MiB: a data set is read many times. */
export function pictureReader(): (file: string) => Promise<Picture> {
  const cache = new Map<string, Picture>()
  let bytes = 0
  return async (file) => {
    const known = cache.get(file)
    if (known) return known
    const picture = await decodeImage(readAll(file, mostFileBytes), file)
    bytes += picture.data.length
    cache.set(file, picture)
    for (const [name, old] of cache) {
      if (bytes <= mostCachedBytes || name === file) break
      cache.delete(name)
      bytes -= old.data.length
    }
    return picture
  }
}

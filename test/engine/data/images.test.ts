import { readFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import encodeJpeg, { init as initJpeg } from '@jsquash/jpeg/encode.js'
import encodePng, { init as initPng } from '@jsquash/png/encode.js'
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { decodeImage } from '../../../src-main/engine/data/images/decode.ts'
import { imageHeader } from '../../../src-main/engine/data/images/header.ts'
import { shapeImage, writeImage } from '../../../src-main/engine/data/images/preprocess.ts'
import { resizeBilinear } from '../../../src-main/engine/data/images/resize.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { allBatches, imageNetwork, networkWith, npyBytes, scratch } from './fixtures.ts'

const wasm = (name: string) => new WebAssembly.Module(readFileSync(createRequire(import.meta.url).resolve(name)))

beforeAll(async () => {
  const module = wasm('@jsquash/jpeg/codec/enc/mozjpeg_enc.wasm')
  const instantiateWasm = (
    imports: ConstructorParameters<typeof WebAssembly.Instance>[1],
    done: (instance: WebAssembly.Instance) => void,
  ) => {
    const instance = new WebAssembly.Instance(module, imports)
    done(instance)
    return instance.exports
  }
  await initJpeg({ instantiateWasm } as never)
  await initPng(wasm('@jsquash/png/codec/pkg/squoosh_png_bg.wasm'))
})

/** A picture whose red grows to the right and green downwards. */
function picture(width: number, height: number) {
  const data = new Uint8ClampedArray(width * height * 4)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) data.set([(x * 255) / width, (y * 255) / height, 40, 255], (y * width + x) * 4)
  return { width, height, data, colorSpace: 'srgb' }
}
const png = async (width: number, height: number) => new Uint8Array(await encodePng(picture(width, height) as never))
const jpeg = async (width: number, height: number) => new Uint8Array(await encodeJpeg(picture(width, height) as never))

test('PNG comes back bit for bit, JPEG nearly, both with their size in the header', async () => {
  const bytes = await png(13, 7)
  expect(imageHeader(bytes)).toEqual({ format: 'png', width: 13, height: 7 })
  expect([...(await decodeImage(bytes, 'a.png')).data]).toEqual([...picture(13, 7).data])
  const lossy = await jpeg(16, 24)
  expect(imageHeader(lossy)).toEqual({ format: 'jpeg', width: 16, height: 24 })
  const decoded = (await decodeImage(lossy, 'a.jpg')).data
  const worst = picture(16, 24).data.reduce(
    (most, value, at) => Math.max(most, Math.abs(value - (decoded[at] ?? 0))),
    0,
  )
  expect(worst).toBeLessThan(40)
})

test('broken images are named, and the decoder works on afterwards', async () => {
  const [good, lossy] = [await png(9, 9), await jpeg(9, 9)]
  const huge = Uint8Array.from(good)
  new DataView(huge.buffer).setUint32(16, 100_000)
  new DataView(huge.buffer).setUint32(20, 100_000)
  for (const bytes of [new Uint8Array(), Uint8Array.of(1, 2, 3), good.slice(0, 60), lossy.slice(0, 30), huge])
    await expect(decodeImage(bytes, 'bad.img')).rejects.toMatchObject({ code: 'bad-data', data: { file: 'bad.img' } })
  expect((await decodeImage(good, 'a.png')).width).toBe(9)
  expect((await decodeImage(lossy, 'a.jpg')).width).toBe(9)
})

test('whatever is done to an image, a picture or a Fault comes out', { timeout: 120_000 }, async () => {
  const seeds = [await png(12, 12), await jpeg(12, 12)]
  await fc.assert(
    fc.asyncProperty(
      fc.nat(1),
      fc.array(fc.tuple(fc.nat(100_000), fc.nat(255)), { maxLength: 6 }),
      async (which, changes) => {
        const bytes = Uint8Array.from(seeds[which] ?? [])
        for (const [at, value] of changes) bytes[at % bytes.length] = value
        const outcome = await decodeImage(bytes, 'f').catch((error: unknown) => error)
        if (outcome instanceof Error) expect(outcome).toBeInstanceOf(Fault)
      },
    ),
    { seed: 11, numRuns: 150 },
  )
})

test('resizing: constant stays constant, nothing happens at the same size, halving averages', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), fc.nat(255), (from, to, value) => {
      const plane = new Uint8Array(from * from).fill(value)
      expect(resizeBilinear(plane, [from, from], [to, to]).every((pixel) => pixel === value)).toBe(true)
    }),
    { seed: 5 },
  )
  const plane = Float32Array.of(0, 10, 20, 30)
  expect(resizeBilinear(plane, [2, 2], [2, 2])).toBe(plane)
  // Weights of a triangle of reach 2 over two pixels at distance 1/2: 3/4 and 3/4, that is half each.
  expect([...resizeBilinear(Float32Array.of(0, 10), [1, 2], [1, 1])]).toEqual([5])
  // Doubling, half-pixel centres: outputs lie at -1/4, 1/4, 3/4, 5/4 of the inputs 0 and 1.
  expect([...resizeBilinear(Float32Array.of(0, 8), [1, 2], [1, 4])]).toEqual([0, 2, 6, 8])
})

test('resizing equals Pillow 12.3 bit for bit', () => {
  // python3 -c "from PIL import Image; im = Image.frombytes('L', (7, 7), bytes((i * 37) % 256 for i in range(49)))
  //             print(list(im.resize((5, 5), Image.BILINEAR).getdata()), list(im.resize((9, 9), Image.BILINEAR).getdata())[:12])"
  const plane = Uint8Array.from({ length: 49 }, (_, index) => (index * 37) % 256)
  expect([...resizeBilinear(plane, [7, 7], [5, 5])]).toEqual([
    13, 59, 112, 165, 211, 17, 63, 116, 169, 215, 21, 67, 120, 173, 219, 25, 71, 124, 177, 223, 29, 75, 128, 181, 227,
  ])
  const larger = [...resizeBilinear(plane, [7, 7], [9, 9])]
  expect(larger.slice(0, 12)).toEqual([0, 25, 53, 82, 111, 140, 169, 197, 222, 2, 27, 55])
})

test('size, crop and resize happen in this order; a crop beyond the image is refused', () => {
  const image = { width: 8, height: 4, planes: [Float32Array.from({ length: 32 }, (_, index) => index % 8)] }
  const shaped = shapeImage(image, { size: 8, crop: 6, resize: 3 }, 'f')
  expect([shaped.height, shaped.width]).toEqual([3, 3])
  const cropped = shapeImage(image, { crop: 3 }, 'f')
  expect([...(cropped.planes[0] ?? [])]).toEqual([2, 3, 4, 2, 3, 4, 2, 3, 4])
  expect(() => shapeImage(image, { crop: 5 }, 'f.png')).toThrow('f.png: an image of 8 x 4 cannot be cropped to 5 x 5')
})

test('channels land where the layout says', () => {
  const image = { width: 2, height: 1, planes: [Float32Array.of(1, 2), Float32Array.of(3, 4), Float32Array.of(5, 6)] }
  const numbers = { mean: [1, 1, 1], scale: [1, 2, 4] }
  const first = new Float32Array(6)
  writeImage(image, numbers, 'NCHW', first, 0)
  expect([...first]).toEqual([0, 1, 1, 1.5, 1, 1.25])
  const last = new Float32Array(6)
  writeImage(image, numbers, 'NHWC', last, 0)
  expect([...last]).toEqual([0, 1, 1, 1, 1.5, 1.25])
})

test('a folder of photos with a table: batches, labels, BGR, disjoint parts', async () => {
  const folder = scratch()
  mkdirSync(join(folder, 'photos'))
  for (let index = 0; index < 6; index++) writeFileSync(join(folder, 'photos', `${index}.png`), await png(8, 8))
  writeFileSync(join(folder, 'labels.csv'), `file,label\n${[0, 1, 2, 3, 4, 5].map((i) => `${i}.png,${i}`).join('\n')}`)
  const path = join(folder, 'data.yaml')
  writeFileSync(
    path,
    `kind: image-classification
images: photos
labels: labels.csv
label-offset: 1
split: { calibrate: 2, seed: 0 }
preprocess: { channels: BGR, mean: [40, 0, 0] }`,
  )
  const dataset = await openDataset({ path, split: 'auto' }, imageNetwork(8))
  expect([dataset.calibrate.samples, dataset.evaluate.samples]).toEqual([2, 4])
  expect(dataset.notices.join()).toContain('Only 2 images calibrate')
  expect(dataset.notices.join()).not.toContain('one class')
  expect(dataset.evaluate.ids()[0]).toMatch(/^photos\/\d\.png$/)
  const batches = await allBatches(dataset.evaluate, { batchSize: 3 })
  expect(batches.map((batch) => batch.size)).toEqual([3, 1])
  const labels = batches.flatMap((batch) => [...(batch.targets ?? [])])
  expect(labels).toEqual(dataset.evaluate.ids().map((id) => Number(/\d/.exec(id)?.[0]) + 1))
  const data = batches[0]?.feeds.x?.data as Float32Array
  expect(data.subarray(0, 64).every((value) => value === 0)).toBe(true) // blue, minus its mean
  expect(await allBatches(dataset.evaluate, { batchSize: 3 })).toEqual(batches)
  const whole = await openDataset({ path, split: 'none' }, imageNetwork(8))
  expect(whole.evaluate.samples).toBe(6)
  expect(whole.notices.join()).toContain('split none')
  await expect(openDataset({ path, split: 'auto' }, imageNetwork(8, 5))).rejects.toThrow(
    'labels.csv: line 6: class 4 + 1',
  )
  const other = await openDataset({ path, split: 'auto' }, imageNetwork(9))
  await expect(allBatches(other.evaluate, { batchSize: 1 })).rejects.toThrow(
    '8 x 8 after preprocessing, the network takes 9 x 9',
  )
})

test('a bare folder of class folders, and what is said about it', async () => {
  const folder = scratch()
  for (const name of ['cats', 'dogs']) {
    mkdirSync(join(folder, name))
    for (const index of [0, 1, 2]) writeFileSync(join(folder, name, `${index}.png`), await png(12, 10))
  }
  const dataset = await openDataset({ path: folder, split: 'none' }, imageNetwork(8, 2))
  const [batch] = await allBatches(dataset.evaluate, { batchSize: 6 })
  expect([...(batch?.targets ?? [])]).toEqual([0, 0, 0, 1, 1, 1])
  expect(Math.max(...((batch?.feeds.x?.data as Float32Array) ?? []))).toBeLessThanOrEqual(1)
  expect(dataset.notices.join()).toContain('No preprocessing is described')
  expect(dataset.notices.join()).not.toContain('one class')
  rmSync(join(folder, 'dogs'), { recursive: true })
  const cats = await openDataset({ path: folder, split: 'none' }, imageNetwork(8, 2))
  expect(cats.notices.join()).toContain('All 3 images that evaluate are of one class, 0')
})

test('arrays: unlabelled, last-channel, and a graph of fixed batch fills up with rows that are not scored', async () => {
  const folder = scratch()
  const path = join(folder, 'images.npy')
  writeFileSync(
    path,
    npyBytes(
      '|u1',
      [5, 4, 4, 3],
      Uint8Array.from({ length: 240 }, (_, index) => index),
    ),
  )
  const fixed = networkWith([{ name: 'x', dtype: 'float32', shape: [2, 4, 4, 3] }])
  const dataset = await openDataset({ path, split: 'none' }, fixed)
  const batches = await allBatches(dataset.evaluate, { batchSize: 64 })
  expect(batches.map((batch) => [batch.size, batch.feeds.x?.dims[0]])).toEqual([
    [2, 2],
    [2, 2],
    [1, 2],
  ])
  expect(batches[0]?.targets).toBeNull()
  expect([...(batches[2]?.targets ?? [])]).toEqual([-1, -1])
  expect((batches[0]?.feeds.x?.data as Float32Array)[5]).toBeCloseTo(5 / 255)
  expect(dataset.notices.join()).toContain('no labels')
})

test.each([
  ['an image without a row', 'file,label\n0.png,1', 'no row for the image "1.png"'],
  ['a row without an image', 'file,label\n0.png,1\n1.png,1\n2.png,1', 'line 4: there is no image "2.png"'],
])('%s is refused', async (_, table, words) => {
  const folder = scratch()
  for (const index of [0, 1]) writeFileSync(join(folder, `${index}.png`), await png(8, 8))
  writeFileSync(join(folder, 'labels.csv'), table)
  await expect(openDataset({ path: folder, split: 'none' }, imageNetwork(8))).rejects.toThrow(words)
})

test('both parts from one array are refused', async () => {
  const folder = scratch()
  writeFileSync(join(folder, 'a.npy'), npyBytes('|u1', [2, 3, 8, 8], new Uint8Array(384)))
  writeFileSync(
    join(folder, 'data.yaml'),
    'kind: image-classification\nevaluate: { images: a.npy }\ncalibrate: { images: ./a.npy }',
  )
  await expect(openDataset({ path: folder, split: 'auto' }, imageNetwork(8))).rejects.toThrow(
    'a.npy[0] is in both parts',
  )
})

test('empty folders and missing paths are bad data', async () => {
  const folder = scratch()
  await expect(openDataset({ path: folder, split: 'auto' }, imageNetwork(8))).rejects.toMatchObject({
    code: 'bad-data',
  })
  await expect(openDataset({ path: join(folder, 'none'), split: 'auto' }, imageNetwork(8))).rejects.toMatchObject({
    code: 'bad-data',
    data: { file: join(folder, 'none') },
  })
})

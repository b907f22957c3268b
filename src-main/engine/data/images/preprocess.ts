import type { Preprocess } from '../description.ts'
import { badData } from '../files.ts'
import { resizeBilinear, type Plane } from './resize.ts'

/** Channel planes of one image, each [height, width], in the order the network wants. */
export interface Planes {
  height: number
  width: number
  planes: Plane[]
}

/** Where an image goes: the graph's input. Sizes are null where the graph takes any. */
export interface ImageInput {
  name: string
  dtype: 'float32' | 'float16' | 'uint8'
  layout: 'NCHW' | 'NHWC'
  channels: number
  height: number | null
  width: number | null
  batch: number | null
}

const resized = (image: Planes, height: number, width: number): Planes => ({
  height,
  width,
  planes: image.planes.map((plane) => resizeBilinear(plane, [image.height, image.width], [height, width])),
})

/** Shorter side to `side`, the other in proportion, rounded down. */
function shorterSide(image: Planes, side: number): Planes {
  const { height, width } = image
  return height <= width
    ? resized(image, side, Math.floor((side * width) / height))
    : resized(image, Math.floor((side * height) / width), side)
}

function centreCrop(image: Planes, side: number, file: string): Planes {
  if (side > image.height || side > image.width)
    throw badData(file, `an image of ${image.width} x ${image.height} cannot be cropped to ${side} x ${side}`, {
      hint: 'Set "size" under "preprocess" to enlarge the shorter side first, or a smaller "crop".',
      data: { field: 'preprocess.crop', expected: `at most ${Math.min(image.height, image.width)}`, found: `${side}` },
    })
  if (side === image.height && side === image.width) return image
  const top = Math.floor((image.height - side) / 2)
  const left = Math.floor((image.width - side) / 2)
  const planes = image.planes.map((plane) => {
    const cropped = plane instanceof Uint8Array ? new Uint8Array(side * side) : new Float32Array(side * side)
    for (let row = 0; row < side; row++) {
      const start = (top + row) * image.width + left
      cropped.set(plane.subarray(start, start + side), row * side)
    }
    return cropped
  })
  return { height: side, width: side, planes }
}

/** size, crop, resize, in this order; what is not asked for is left out. */
export function shapeImage(image: Planes, steps: Pick<Preprocess, 'size' | 'crop' | 'resize'>, file: string): Planes {
  let shaped = image
  if (steps.size !== undefined) shaped = shorterSide(shaped, steps.size)
  if (steps.crop !== undefined) shaped = centreCrop(shaped, steps.crop, file)
  if (steps.resize !== undefined) shaped = resized(shaped, steps.resize, steps.resize)
  return shaped
}

export function checkSize(image: Planes, input: ImageInput, file: string): void {
  const fits = (has: number, wants: number | null) => wants === null || has === wants
  if (fits(image.height, input.height) && fits(image.width, input.width)) return
  const wanted = `${input.width ?? 'any'} x ${input.height ?? 'any'}`
  throw badData(
    file,
    `the image is ${image.width} x ${image.height} after preprocessing, the network takes ${wanted}`,
    {
      hint: 'Set "size", "crop" or "resize" under "preprocess" in the data description.',
      data: { field: 'preprocess', expected: wanted, found: `${image.width} x ${image.height}` },
    },
  )
}

/** One number for all channels, or one for each; faults where the count fits neither. */
export function perChannel(value: number | number[], channels: number, key: string, file: string): number[] {
  const list = [value].flat()
  if (list.length === 1) return Array.from({ length: channels }, () => list[0] ?? 0)
  if (list.length === channels) return list
  throw badData(file, `"preprocess.${key}" has ${list.length} numbers for ${channels} channels`, {
    data: { field: `preprocess.${key}`, expected: `1 or ${channels} numbers`, found: `${list.length}` },
  })
}

/** (pixel - mean) / scale of each channel, written as sample `index` of target [N, C, H, W] or [N, H, W, C]. */
export function writeImage(
  image: Planes,
  numbers: { mean: number[]; scale: number[] },
  layout: ImageInput['layout'],
  target: Float32Array,
  index: number,
): void {
  const channels = image.planes.length
  const area = image.height * image.width
  image.planes.forEach((plane, channel) => {
    const mean = numbers.mean[channel] ?? 0
    const scale = numbers.scale[channel] ?? 1
    const step = layout === 'NCHW' ? 1 : channels
    let at = index * channels * area + (layout === 'NCHW' ? channel * area : channel)
    for (let pixel = 0; pixel < area; pixel++, at += step) target[at] = ((plane[pixel] ?? 0) - mean) / scale
  })
}

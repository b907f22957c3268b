import { extname, join } from 'node:path'
import { badData, isFolder, listFolder } from '../files.ts'
import { readLabelArray, readLabelTable } from '../labels.ts'
import { readNpy } from '../npy.ts'
import { pictureReader, type Picture } from './decode.ts'
import type { Planes } from './preprocess.ts'
import type { Plane } from './resize.ts'

export type ChannelOrder = 'RGB' | 'BGR' | 'GRAY'

/** Images with or without class numbers, wherever they come from. */
export interface ImageSource {
  count: number
  whole: boolean // 8-bit pixels
  files: string[] // for the fingerprint
  id: (index: number) => string // stable: 'images.npy[17]', 'cats/1.jpg'
  labels: Int32Array | null
  labelFile: string // for messages
  labelRow: (index: number) => string
  planes: (index: number, order: ChannelOrder) => Promise<Planes>
}

const isImage = (name: string) => ['.jpg', '.jpeg', '.png'].includes(extname(name).toLowerCase())

/** Pillow's convert('L'): ITU-R 601 luma in 16 fractional bits. */
const luma = (red: number, green: number, blue: number) => (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16

function picturePlanes(picture: Picture, order: ChannelOrder): Planes {
  const { width, height, data } = picture
  const area = width * height
  const offsets = order === 'RGB' ? [0, 1, 2] : order === 'BGR' ? [2, 1, 0] : []
  const planes = offsets.map((offset) => {
    const plane = new Uint8Array(area)
    for (let pixel = 0; pixel < area; pixel++) plane[pixel] = data[pixel * 4 + offset] ?? 0
    return plane
  })
  if (order === 'GRAY') {
    const plane = new Uint8Array(area)
    for (let pixel = 0, at = 0; pixel < area; pixel++, at += 4)
      plane[pixel] = luma(data[at] ?? 0, data[at + 1] ?? 0, data[at + 2] ?? 0)
    planes.push(plane)
  }
  return { width, height, planes }
}

/** Reads N x C x H x W, N x H x W x C or N x H x W with 1 or 3 channels, 8-bit or float32. Colours are taken as RGB. */
function openArray(path: string, labelPath: string | undefined, name: string): ImageSource {
  const { dtype, shape, data } = readNpy(path)
  const pixels = data
  if (!(pixels instanceof Uint8Array || pixels instanceof Float32Array))
    throw badData(path, `images must be uint8 or float32, found ${dtype}`)
  const [count = 0, ...rest] = shape
  const full = rest.length === 2 ? [1, ...rest] : rest
  const first = full[0] === 1 || full[0] === 3
  if (full.length !== 3 || !(first || full[2] === 1 || full[2] === 3))
    throw badData(path, `images of shape (${shape.join(', ')})`, {
      data: { field: 'shape', expected: '(N, 3, H, W) or (N, H, W, 3)', found: `(${shape.join(', ')})` },
    })
  const [channels = 0, height = 0, width = 0] = first ? full : [full[2], full[0], full[1]]
  const area = height * width
  const plane = (index: number, channel: number): Plane => {
    const base = index * channels * area
    if (first) return pixels.subarray(base + channel * area, base + (channel + 1) * area)
    const out = pixels instanceof Uint8Array ? new Uint8Array(area) : new Float32Array(area)
    for (let pixel = 0; pixel < area; pixel++) out[pixel] = pixels[base + pixel * channels + channel] ?? 0
    return out
  }
  const labels = labelPath === undefined ? null : readLabelArray(labelPath)
  if (labels && labels.length !== count)
    throw badData(labelPath ?? path, `${labels.length} labels for ${count} images in ${path}`, {
      data: { expected: `${count}`, found: `${labels.length}` },
    })
  return {
    count,
    whole: pixels instanceof Uint8Array,
    files: labelPath === undefined ? [path] : [path, labelPath],
    id: (index) => `${name}[${index}]`,
    labels,
    labelFile: labelPath ?? path,
    labelRow: (index) => `row ${index}`,
    async planes(index, order) {
      const wanted = order === 'GRAY' ? 1 : 3
      if (wanted !== channels)
        throw badData(path, `images have ${channels} channels, "preprocess.channels: ${order}" needs ${wanted}`)
      const list = Array.from({ length: channels }, (_, channel) => plane(index, channel))
      return { height, width, planes: order === 'BGR' ? list.reverse() : list }
    },
  }
}

/** Images of a folder; where it holds folders instead, each of those is a class, in the order of their names. */
function listImages(folder: string): { name: string; label: number | null }[] {
  const entries = listFolder(folder)
  const flat = entries.filter((entry) => !entry.folder && isImage(entry.name))
  if (flat.length > 0) return flat.map((entry) => ({ name: entry.name, label: null }))
  return entries
    .filter((entry) => entry.folder)
    .flatMap((entry, label) =>
      listFolder(join(folder, entry.name))
        .filter((inner) => !inner.folder && isImage(inner.name))
        .map((inner) => ({ name: `${entry.name}/${inner.name}`, label })),
    )
}

function openImageFolder(folder: string, labelPath: string | undefined, name: string): ImageSource {
  const images = listImages(folder)
  if (images.length === 0) throw badData(folder, 'no .jpg, .jpeg or .png images in this folder')
  const read = pictureReader()
  const source: ImageSource = {
    count: images.length,
    whole: true,
    files: images.map((image) => join(folder, image.name)),
    id: (index) => `${name}/${images[index]?.name ?? ''}`,
    labels: images.every((image) => image.label !== null) ? Int32Array.from(images, (image) => image.label ?? 0) : null,
    labelFile: folder,
    labelRow: (index) => images[index]?.name ?? '',
    planes: async (index, order) => picturePlanes(await read(join(folder, images[index]?.name ?? '')), order),
  }
  if (labelPath === undefined) return source
  source.files.push(labelPath)
  if (extname(labelPath).toLowerCase() === '.npy') {
    const labels = readLabelArray(labelPath)
    if (labels.length !== images.length)
      throw badData(labelPath, `${labels.length} labels for ${images.length} images in ${folder}`)
    return { ...source, labels, labelFile: labelPath }
  }
  const table = readLabelTable(labelPath)
  const rows: string[] = []
  const labels = Int32Array.from(images, (image, index) => {
    const found = table.get(image.name)
    if (!found) throw badData(labelPath, `no row for the image "${image.name}"`, { data: { found: image.name } })
    rows[index] = found.row
    return found.label
  })
  if (table.size > images.length) {
    const present = new Set(images.map((image) => image.name))
    const [name, entry] = [...table].find(([file]) => !present.has(file)) ?? []
    throw badData(labelPath, `${entry?.row}: there is no image "${name}" in ${folder}`, {
      data: { field: entry?.row ?? '' },
    })
  }
  return { ...source, labels, labelFile: labelPath, labelRow: (index) => rows[index] ?? '' }
}

/** Opens a folder of JPEG and PNG files or a .npy array, with labels from a .csv or .npy file, or from folder names.
 *  `name` is how the data description calls the images: it begins every id. */
export const openImages = (images: string, labels: string | undefined, name: string): ImageSource =>
  isFolder(images) ? openImageFolder(images, labels, name) : openArray(images, labels, name)

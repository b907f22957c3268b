import { existsSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Network } from '../../checkpoint/network.ts'
import { floatToHalf } from '../../checkpoint/convert.ts'
import type { ImageDescription, Preprocess } from '../description.ts'
import { badData, fingerprint, isFolder } from '../files.ts'
import { shiftLabels } from '../labels.ts'
import { checkDisjoint, emptyPart, makePart, splitSamples } from '../parts.ts'
import type { Batch, DataPart, Dataset } from '../types.ts'
import { classesOf, imageInput } from './network.ts'
import { checkSize, perChannel, shapeImage, writeImage, type ImageInput } from './preprocess.ts'
import { openImages, type ImageSource } from './sources.ts'

interface Context {
  file: string // of the description, for messages
  input: ImageInput
  preprocess: Preprocess
  offset: number
  classes: number | null
}

/** What is done to pixels when the description does not say: what the checkpoint says, else to the network's size, then
 *  0 .. 1. Arrays of fractions hold pixels of 0 .. 1. */
function defaultPreprocess(source: ImageSource, input: ImageInput, own: Network['images']): Preprocess {
  if (own && input.channels === 3) {
    if (source.whole) return own
    return { ...own, mean: own.mean.map((value) => value / 255), scale: own.scale.map((value) => value / 255) }
  }
  const side = input.height !== null && input.height === input.width ? input.height : undefined
  return {
    size: side,
    crop: side,
    channels: input.channels === 1 ? 'GRAY' : 'RGB',
    mean: 0,
    scale: source.whole ? 255 : 1,
  }
}

const describePreprocess = (steps: Preprocess): string =>
  [
    steps.size && `shorter side to ${steps.size}`,
    steps.crop && `centre crop ${steps.crop}`,
    steps.resize && `resize to ${steps.resize} (bilinear, antialiased)`,
    steps.channels,
    `(x - ${[steps.mean].flat().join(' ')}) / ${[steps.scale].flat().join(' ')}`,
  ]
    .filter(Boolean)
    .join(', ')

const convert = (data: Float32Array, dtype: ImageInput['dtype']) => {
  if (dtype === 'float16') return floatToHalf(data)
  return dtype === 'uint8' ? Uint8Array.from(data) : data
}

/** A part over some samples of a source. */
function imagePart(source: ImageSource, indices: readonly number[], context: Context): DataPart {
  const { input, preprocess, file } = context
  const mean = perChannel(preprocess.mean, input.channels, 'mean', file)
  const scale = perChannel(preprocess.scale, input.channels, 'scale', file)
  const labels =
    source.labels && shiftLabels(source.labels, context.offset, context.classes, source.labelFile, source.labelRow)

  async function load(samples: readonly number[]): Promise<Batch> {
    const rows = input.batch ?? samples.length
    let data = new Float32Array(0)
    let size: [number, number] = [0, 0]
    for (const [index, sample] of samples.entries()) {
      const id = source.id(sample)
      const image = shapeImage(await source.planes(sample, preprocess.channels), preprocess, id)
      checkSize(image, input, id)
      if (index === 0) {
        size = [image.height, image.width]
        data = new Float32Array(rows * input.channels * image.height * image.width)
      } else if (image.height !== size[0] || image.width !== size[1])
        throw badData(id, `${image.width} x ${image.height} pixels, others have ${size[1]} x ${size[0]}`, {
          hint: 'Set "size" and "crop" under "preprocess", so that all images come out alike.',
        })
      writeImage(image, { mean, scale }, input.layout, data, index)
    }
    const dims = input.layout === 'NCHW' ? [rows, input.channels, ...size] : [rows, ...size, input.channels]
    let targets: Int32Array | null = null
    // A graph of fixed batch size has idle rows in its last batch; -1 keeps them from being scored.
    if (labels || rows !== samples.length) {
      targets = new Int32Array(rows).fill(-1)
      if (labels) for (const [index, sample] of samples.entries()) targets[index] = labels[sample] ?? -1
    }
    const feeds = { [input.name]: { dtype: input.dtype, dims, data: convert(data, input.dtype) } }
    return { feeds, size: samples.length, targets }
  }

  return makePart({ indices, id: source.id, fixedBatch: input.batch, load })
}

function checkChannels(preprocess: Preprocess, input: ImageInput, file: string): void {
  const given = preprocess.channels === 'GRAY' ? 1 : 3
  if (given !== input.channels)
    throw badData(
      file,
      `"preprocess.channels: ${preprocess.channels}" gives ${given} channels, the network takes ${input.channels}`,
      {
        data: { field: 'preprocess.channels', expected: `${input.channels}`, found: `${given}` },
      },
    )
}

const fewSamples = 16 // below: what is measured on them is mostly chance

/** What a person should know before anything is measured on such data. */
function warnings(judged: readonly number[], labels: Int32Array | null, calibrating: number): string[] {
  const [first, ...rest] = labels === null ? [] : judged
  const label = first === undefined ? undefined : labels?.[first]
  const isOneClass = label !== undefined && rest.length > 0 && rest.every((index) => labels?.[index] === label)
  return [
    ...(isOneClass
      ? [`All ${judged.length} images that evaluate are of one class, ${label}: accuracy says little here.`]
      : []),
    ...(calibrating > 0 && calibrating < fewSamples
      ? [
          `Only ${calibrating} images calibrate: which layers matter is mostly chance on so few. A hundred and more is usual.`,
        ]
      : []),
  ]
}

/** Opens image data for a network's image input. `file` is the description, or the bare folder or array itself. */
export function openImageDataset(description: ImageDescription, file: string, network: Network, all: boolean): Dataset {
  const base = isFolder(file) ? file : dirname(file)
  const at = (path: string) => resolve(base, path)
  const input = imageInput(network)
  const { images, labels, evaluate, calibrate } = description
  if ((images === undefined) === (evaluate === undefined))
    throw badData(file, 'give either "images", or "evaluate" (and "calibrate") with their own images')
  if (images === undefined && (description.split || labels !== undefined))
    throw badData(file, '"split" and "labels" belong to one part under "images"')
  const notices: string[] = []

  const open = (part: { images: string; labels?: string | undefined }) => {
    const folder = at(part.images)
    const beside = join(folder, 'labels.csv')
    const table = part.labels === undefined ? (existsSync(beside) ? beside : undefined) : at(part.labels)
    const source = openImages(folder, table, relative(base, folder) || basename(folder))
    if (source.count === 0) throw badData(folder, 'no images')
    return source
  }
  const context = (source: ImageSource): Context => {
    const preprocess = description.preprocess ?? defaultPreprocess(source, input, network.images)
    checkChannels(preprocess, input, file)
    return { file, input, preprocess, offset: description['label-offset'], classes: classesOf(network) }
  }

  let parts: { calibrate: DataPart; evaluate: DataPart }
  let sources: ImageSource[]
  let split: string
  let judged: readonly number[] // images that evaluate, of the first source
  if (images !== undefined) {
    const source = open({ images, labels })
    const cut = splitSamples(source.count, description.split, all, file)
    notices.push(...cut.notices)
    split = cut.words
    judged = cut.evaluate
    sources = [source]
    parts = {
      calibrate: imagePart(source, cut.calibrate, context(source)),
      evaluate: imagePart(source, cut.evaluate, context(source)),
    }
  } else {
    if (!evaluate) throw new Fault('internal', 'a description without images')
    const first = open(evaluate)
    const second = calibrate && open(calibrate)
    sources = second ? [first, second] : [first]
    const every = (source: ImageSource) => Array.from({ length: source.count }, (_, index) => index)
    judged = every(first)
    parts = {
      evaluate: imagePart(first, judged, context(first)),
      calibrate: second ? imagePart(second, every(second), context(second)) : emptyPart,
    }
    checkDisjoint(parts.calibrate, parts.evaluate, file)
    split = second ? 'two parts, as described' : 'evaluation only: no calibration part is described'
  }
  const source = sources[0]
  if (!source) throw new Fault('internal', 'a description without images')
  const used = description.preprocess ?? defaultPreprocess(source, input, network.images)
  if (!description.preprocess)
    notices.push(
      network.images
        ? `Images are prepared as the checkpoint asks (preprocessor_config.json): ${describePreprocess(used)}.`
        : `No preprocessing is described for ${basename(file)}; images are fed as: ${describePreprocess(used)}.`,
    )
  if (!source.labels)
    notices.push('The images have no labels: accuracy cannot be measured, agreement with the original can.')
  notices.push(...warnings(judged, source.labels, parts.calibrate.samples))
  return {
    path: file,
    kind: 'image-classification',
    ...parts,
    unit: 'images',
    split,
    details: {
      preprocessing: describePreprocess(used),
      classes: String(classesOf(network) ?? 'unknown'),
      labels: source.labels ? 'yes' : 'none',
      input: `${input.name} ${input.layout}`,
    },
    notices,
    fingerprint: fingerprint(
      [description, all, ...(description.preprocess || !network.images ? [] : [used])],
      sources.flatMap((each) => each.files),
    ),
  }
}

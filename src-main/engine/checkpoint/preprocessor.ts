// preprocessor_config.json: what is done to images before a Hugging Face network sees them. Format: the image processors of
// the transformers library (size, crop_size, do_* flags, rescale_factor, image_mean, image_std).
import { Fault } from '../../../src-preload/contract/fault.ts'
import { Settings } from '../graph/families/config.ts'
import { cacheLinkTargets, resolveInside } from './containment.ts'
import { readSmallFile } from './file.ts'
import type { FolderListing } from './hf-folder.ts'
import { parseJsonObject } from './json.ts'
import type { ImagePreprocess } from './network.ts'

const fileName = 'preprocessor_config.json'
const mostBytes = 1 << 20
const bilinear = 2 // PIL's number
const range = { min: 1, max: 8192 }

export interface Preprocessor {
  file: string
  steps: ImagePreprocess
  card: Record<string, string>
}

/** What the folder's preprocessor_config.json asks for; null where there is none for images. One that is broken, or asks for
 *  what cannot be done here, does not keep the network from opening: a notice says what is wrong with it. */
export function readPreprocessor(folder: string, { names }: FolderListing, notices: string[]): Preprocessor | null {
  if (!names.includes(fileName)) return null
  try {
    const file = resolveInside(folder, fileName, { linkTargets: cacheLinkTargets(folder) })
    const config = new Settings(parseJsonObject(readSmallFile(file, mostBytes), file), file)
    const ofImages = ['image_mean', 'size', 'do_normalize', 'do_resize'].some((field) => config.has(field))
    return ofImages ? { file, ...read(config, notices) } : null
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    notices.push(`${error.message} Describe the preprocessing of images yourself.`)
    return null
  }
}

function read(config: Settings, notices: string[]): Omit<Preprocessor, 'file'> {
  const kind = config.text('image_processor_type', config.text('feature_extractor_type', ''))
  const crop = config.flag('do_center_crop', false) ? side(config, 'crop_size', 'square') : null
  const steps: ImagePreprocess = { channels: 'RGB', ...numbersOf(config) }
  if (config.flag('do_resize', true) && config.has('size')) {
    const size = side(config, 'size', /CLIP|ConvNext/i.test(kind) ? 'shorter' : 'square')
    if (size.form === 'shorter') steps.size = size.pixels
    else if (crop === null) steps.resize = size.pixels
    else {
      steps.size = size.pixels
      notices.push(`${fileName} squeezes images to a square and crops it; the shorter side is resized instead.`)
    }
    if (config.has('resample') && config.integer('resample', { min: 0, max: 5 }) !== bilinear)
      notices.push(`${fileName} resizes with another filter; images are resized bilinearly, antialiased.`)
  }
  if (crop !== null) steps.crop = crop.pixels
  return { steps, card: describe(steps) }
}

/** (pixel - mean) / scale in one step of 0 .. 255 pixels: (p f - m) / s = (p - m / f) / (s / f). */
function numbersOf(config: Settings): Pick<ImagePreprocess, 'mean' | 'scale'> {
  const factor = config.flag('do_rescale', true) ? config.number('rescale_factor', 0, 1 / 255) : 1
  const normalised = config.flag('do_normalize', true) && config.has('image_mean')
  const mean = normalised ? config.finite('image_mean', 3) : [0, 0, 0]
  const deviation = normalised ? config.numbers('image_std', 3) : [1, 1, 1]
  return { mean: mean.map((value) => value / factor), scale: deviation.map((value) => value / factor) }
}

function side(config: Settings, field: string, whole: 'square' | 'shorter'): { pixels: number; form: string } {
  const section = config.isObject(field) ? config.section(field) : null
  if (!section) return { pixels: config.integer(field, range), form: whole }
  if (section.has('shortest_edge')) return { pixels: section.integer('shortest_edge', range), form: 'shorter' }
  const height = section.integer('height', range)
  if (section.integer('width', range) !== height) throw config.unsupported(field, 'only squares are supported')
  return { pixels: height, form: 'square' }
}

function describe({ size, crop, resize, mean, scale }: ImagePreprocess): Record<string, string> {
  const short = (values: number[]) => values.map((value) => String(Number(value.toPrecision(4)))).join(' ')
  const shape = [size && `shorter side ${size}`, crop && `crop ${crop}`, resize && `square ${resize}`].filter(Boolean)
  return {
    ...(shape.length > 0 && { 'image size': shape.join(', ') }),
    'image mean': short(mean),
    'image deviation': short(scale),
  }
}

import { resolve } from 'node:path'
import type { Result } from '../../../src-preload/contract/channels.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { CheckpointSummary } from '../../../src-preload/contract/model.ts'
import { formatBytes } from '../format.ts'
import { print } from '../output.ts'
import { type CommonOptions, openWork, withSession } from '../session.ts'
import { checkTarget, deliver, deliveryWords } from './deliver.ts'

interface Options extends CommonOptions {
  original: string
  data: string
  out: string
  overwrite?: boolean
  evaluate: boolean
}

const defaultQuantizer = 'ggml-ldlq'
/** Types of a GGUF file that are plain elements, by the name the checkpoint gives them. */
const floats: Record<string, string> = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' }

type Layer = Result<'option.list'>[number]

/** The option that stores the layer as the file does. Faults where the original cannot be stored so. */
function optionLike(layer: Layer, file: CheckpointSummary): string {
  const stored = file.layers.find(({ name }) => name === layer.name)
  if (!stored)
    throw new Fault('bad-arguments', `${file.path} has no tensor ${layer.name}.`, {
      hint: 'Give the checkpoint that this file was made from.',
      data: { file: file.path, tensor: layer.name },
    })
  const type = stored.stored ?? floats[stored.dtype] ?? stored.dtype
  const found =
    layer.options.find(({ parameters }) => parameters.type === type) ??
    (stored.stored === null ? layer.options.find(({ id }) => id === 'keep') : undefined)
  if (found) return found.id
  throw new Fault('unsupported', `${file.path}: ${layer.name} is stored as ${type}, which Lathe does not write.`, {
    data: { file: file.path, tensor: layer.name, found: type },
  })
}

/** The same file with better codes: every tensor keeps its type, codes and scales are chosen anew against the original. */
export const refine = (path: string, options: Options): Promise<void> =>
  withSession(options, async (session) => {
    const { client } = session
    const file = await client.call('checkpoint.inspect', { path: resolve(path) })
    if (file.format !== 'gguf')
      throw new Fault('bad-arguments', `${path} is no GGUF file.`, {
        hint: 'Other formats are made anew: lathe compress --quantizer gptq.',
        data: { file: path, expected: 'gguf', found: file.format },
      })
    const format = await checkTarget(session, options.original, { ...options, format: 'gguf' })
    const quantizer = options.quantizer ?? defaultQuantizer
    const project = await openWork(session, options.original, { ...options, format, quantizer }, options.data)
    const layers = await client.call('option.list', { project: project.folder })
    const locked = Object.fromEntries(layers.map((layer) => [layer.name, optionLike(layer, file)]))
    const plan = await client.call('plan.solve', {
      ...{ project: project.folder, locked },
      budget: { bytes: Number.MAX_SAFE_INTEGER },
    })
    const delivery = await deliver(session, project.folder, plan.recipe, { ...options, format })
    const size = (bytes: number) => formatBytes(bytes)
    const words = () => `${deliveryWords(delivery)}\nbefore: ${size(file.bytes)}, now: ${size(delivery.variant.bytes)}`
    print(options, { ...delivery, before: { path: file.path, bytes: file.bytes } }, words)
  })

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '../../src-preload/contract/fault.ts'
import { projectRoot } from '../jobs/locate.ts'

/** Where the samples lie; a packaged app may not have them beside package.json. */
export const sampleFolder = (sample: 'language' | 'vision'): string =>
  join(projectRoot().replace(/\bapp\.asar$/, 'app.asar.unpacked'), 'resources', 'samples', sample)

/** A sample's checkpoint (the folder's model.onnx, or the sub-folder that holds a model) and its data.yaml. */
export function sampleOf(sample: 'language' | 'vision'): { checkpoint: string; data: string } {
  const folder = sampleFolder(sample)
  const data = join(folder, 'data.yaml')
  if (!existsSync(data))
    throw new Fault('not-found', `The sample "${sample}" is not at ${folder}.`, {
      hint: 'Install Lathe again: resources/samples is missing.',
      data: { file: data },
    })
  const file = join(folder, 'model.onnx')
  if (existsSync(file)) return { checkpoint: file, data }
  const inner = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, 'config.json')))
    .map((entry) => join(folder, entry.name))
  return { checkpoint: inner[0] ?? folder, data }
}

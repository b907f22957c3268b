import { existsSync } from 'node:fs'
import { extname, join } from 'node:path'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Network } from '../checkpoint/network.ts'
import type { DataReference } from '../protocol.ts'
import { descriptionSchema, type Description } from './description.ts'
import { badData, isFolder } from './files.ts'
import { openImageDataset } from './images/dataset.ts'
import { openNoiseDataset } from './noise.ts'
import { openTextDataset } from './text/dataset.ts'
import type { Dataset } from './types.ts'
import { readDescription } from './yaml.ts'

const isYaml = (path: string) => ['.yaml', '.yml'].includes(extname(path).toLowerCase())

/** A description for a bare path: an image folder or array, or a text file. */
function describeBare(path: string): Description {
  if (isFolder(path) || extname(path).toLowerCase() === '.npy')
    return descriptionSchema.parse({ kind: 'image-classification', images: path })
  return descriptionSchema.parse({ kind: 'text', text: path })
}

/** What a path means: a data.yaml, a folder that holds one, a bare image folder, a .npy array, or a text file. */
function resolveDescription(path: string): { file: string; description: Description } {
  if (!existsSync(path))
    throw badData(path, 'no such file or folder', { hint: 'Give a data.yaml, a text file or a folder of images.' })
  const inside = join(path, 'data.yaml')
  const file = isFolder(path) && existsSync(inside) ? inside : path
  return { file, description: isYaml(file) ? readDescription(file) : describeBare(file) }
}

/** Opens a data set for a network; nothing but labels and text is read yet. Faults 'bad-data' naming file, line or
 *  row, 'unsupported' for a network without a graph. */
export async function openDataset(reference: DataReference, network: Network): Promise<Dataset> {
  if (network.graph === null)
    throw new Fault('unsupported', `${network.name} holds tensors only: there is no graph to run on data.`, {
      hint: 'Leave the data out: scores and plans then rest on the weights. Or open the ONNX file of this network.',
      data: { file: network.path },
    })
  const { file, description } = resolveDescription(reference.path)
  const all = reference.split === 'none'
  switch (description.kind) {
    case 'text':
      return openTextDataset(description, file, network, all)
    case 'image-classification':
      return openImageDataset(description, file, network, all)
    case 'noise':
      return openNoiseDataset(description, file, network, all)
  }
}

// Models and data that scores are tried on: the samples, and real ones where they are.
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import type { ScoreResult } from '../../../src-preload/contract/methods.ts'
import { measureScores } from '../../../src-main/engine/score/measure.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { quiet } from './network.ts'

export interface Model {
  name: string
  path: string
  data: string
  samples: number
  kind: 'language' | 'cnn' | 'vit'
}

const resource = (name: string) => `resources/samples/${name}`
const language: Model = { name: 'language', path: resource('language'), data: resource('language'), samples: 4, kind: 'language' } // prettier-ignore
const real: Model[] = [
  { name: 'stories260K', path: dataPath('stories260K'), data: dataPath('stories260K'), samples: 4, kind: 'language' },
  { name: 'resnet20', path: dataPath('cifar10/resnet20.onnx'), data: dataPath('cifar10'), samples: 64, kind: 'cnn' },
  { name: 'vit', path: dataPath('vit-cifar10/vit_tiny_cifar10.onnx'), data: dataPath('vit-cifar10'), samples: 64, kind: 'vit' }, // prettier-ignore
]

/** The language sample first; real models only where their folder is. */
export const samples: [Model, ...Model[]] = [language, ...(hasData ? real : [])]
export const withAttention = samples.filter(({ kind }) => kind !== 'cnn')
export const cnns = samples.filter(({ kind }) => kind === 'cnn')

export const openModel = ({ path }: Model): Network => openNetwork(path)

/** One score of one model on a few calibration samples. */
export async function measure(
  model: Model,
  method: string,
  parameters: Record<string, unknown>,
  count = model.samples,
): Promise<{ result: ScoreResult; network: Network }> {
  const network = openModel(model)
  const dataset = await openDataset({ path: model.data, split: 'auto' }, network)
  const args = { network, dataset, device: 'cpu', samples: count } as const
  const [result] = await measureScores(args, [{ method, parameters: parameters as never }], quiet)
  if (result === undefined) throw new Error('no result')
  return { result, network }
}

// Recipes for the vision sample, whose fingerprint a recipe must name.
import { resolve } from 'node:path'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { file, lfsPointer, type Make } from './make.ts'

const layer = 'stem.weight'
const option = { id: 'rtn-8-channel', method: 'rtn', bits: 8, parameters: {} }

const recipe =
  (change: Record<string, unknown> = {}): Make =>
  (folder) => {
    const network = openNetwork(resolve('resources/samples/vision/model.onnx'))
    network.source.close()
    const { name, fingerprint } = network
    const document = { lathe: 1, checkpoint: { name, fingerprint }, seed: 0, layers: [], ...change }
    return file('recipe.json', JSON.stringify(document))(folder)
  }
const layers = (...list: unknown[]): Make => recipe({ layers: list })
const keep = { id: 'keep', method: 'keep', bits: 32, parameters: {} }

export const recipeCases: Record<string, Make> = {
  'RC01-good-keep': layers({ name: layer, option: keep }),
  'RC02-missing': (folder) => `${folder}/none.json`,
  'RC02-folder': (folder) => folder,
  'RC02-empty': file('recipe.json', ''),
  'RC02-not-json': file('recipe.json', '{"lathe":1,'),
  'RC02-lfs-pointer': file('recipe.json', lfsPointer),
  'RC02-list': file('recipe.json', '[]'),
  'RC02-deep': file('recipe.json', '['.repeat(100_000)),
  'RC02-newer': recipe({ lathe: 2 }),
  'RC02-no-version': recipe({ lathe: undefined }),
  'RC03-other-checkpoint': recipe({ checkpoint: { name: 'other', fingerprint: 'f'.repeat(64) } }),
  'RC03-unknown-layer': layers({ name: 'ghost.weight', option }),
  'RC03-layer-proto': layers({ name: '__proto__', option }),
  'RC03-bias': layers({ name: 'stem.bias', option }),
  'RC03-unknown-option': layers({ name: layer, option: { ...option, id: 'rtn-9-channel', bits: 9 } }),
  'RC03-unknown-method': layers({ name: layer, option: { ...option, id: 'magic', method: 'magic' } }),
  'RC03-option-of-other-bits': layers({ name: layer, option: { ...option, bits: 2 } }),
  'RC03-option-of-other-parameters': layers({ name: layer, option: { ...option, parameters: { bits: 2 } } }),
  'RC03-layer-twice': layers({ name: layer, option: keep }, { name: layer, option: keep }),
  'RC03-bits-text': layers({ name: layer, option: { ...option, bits: '8' } }),
  'RC03-seed-fraction': recipe({ seed: 0.5 }),
}

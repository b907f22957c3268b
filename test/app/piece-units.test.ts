import { createHash } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { layerSteps } from '../../src-main/app/layer-steps.ts'
import { pieceUnits } from '../../src-main/app/piece-units.ts'
import type { OpenProject, Subject } from '../../src-main/app/projects.ts'
import type { Tasks } from '../../src-main/engine/protocol.ts'
import type { UnitContext } from '../../src-main/jobs/work.ts'
import { readStep } from '../../src-main/store/steps.ts'
import type { DeviceId } from '../../src-preload/contract/project.ts'
import type { Recipe } from '../../src-preload/contract/plan.ts'
import { openProject, summary } from '../store/fixtures/project.ts'

// Pieces of a calibrated run by an engine that only writes down where it was asked to work.
let store: ReturnType<typeof openProject>
beforeEach(() => void (store = openProject()))
afterEach(() => {
  store.close()
  rmSync(store.folder, { recursive: true, force: true })
})

const names = ['a', 'b', 'c', 'd']
const pieces = names.map((name) => ({ name: `block ${name}`, layers: [name], work: 1 }))
const recipe: Recipe = {
  ...{ lathe: 1, checkpoint: { name: 'tiny', fingerprint: summary.fingerprint }, seed: 0, data: 'data' },
  layers: names.map((name) => ({ name, option: { id: 'gptq-4', method: 'gptq', bits: 4, parameters: {} } })),
}

let made: string[] // pieces in the order in which they were made
function unitsOn(device: DeviceId) {
  made = []
  const project = { folder: store.folder, store } as OpenProject
  const dataSet = { path: store.folder, split: 'auto', summary: { fingerprint: 'data', kind: 'text', calibrate: 8 } }
  const subject = { row: { checkpoint: summary.fingerprint, device }, dataSet, data: 'data' } as unknown as Subject
  const units = pieceUnits(project, recipe, {
    ...{ subject, checkpoint: '/models/tiny', run: null, pieces, importance: () => null },
  })
  const file = (name: string, words: string) => {
    const path = join(store.artifacts, name)
    writeFileSync(path, words)
    return { path, sha256: createHash('sha256').update(words).digest('hex'), bytes: words.length }
  }
  const engine = {
    run(_: 'compressPiece', args: Tasks['compressPiece']['args']): Promise<Tasks['compressPiece']['result']> {
      const { piece, layers, state } = args
      // What a piece begins from was made on the same device.
      expect(state === null ? args.device : readFileSync(state, 'utf8').split(' ')[0]).toBe(args.device)
      made.push(`${pieces[piece]?.name} ${args.device}`)
      const words = `${args.device} ${piece}`
      const artifacts = layers.map(({ name, option }) => {
        return { layer: name, option, relativeError: 0, ...file(`${name}-${args.device}.safetensors`, words) }
      })
      const handed = piece < names.length - 1 ? file(`state-${args.device}-${piece}`, words) : null
      return Promise.resolve({ artifacts, state: handed, samples: 8, notices: [] })
    },
  }
  const context = { engine, hooks: { notify: () => undefined } } as unknown as UnitContext
  return async (most = Infinity) => {
    let count = 0
    for (const unit of units) {
      if (await unit.isDone()) continue
      if (count++ === most) return
      await unit.run(context)
    }
  }
}
const devices = () =>
  layerSteps(recipe).map(({ key }) => {
    const file = readStep(store.read, { key })?.file
    return file ? readFileSync(join(store.artifacts, file), 'utf8').split(' ')[0] : null
  })

test('a run that was stopped goes on at its piece on the same device', async () => {
  await unitsOn('webgpu')(2)
  await unitsOn('webgpu')()
  expect(made).toEqual(['block c webgpu', 'block d webgpu'])
  expect(devices()).toEqual(['webgpu', 'webgpu', 'webgpu', 'webgpu'])
})

test('what another device began is begun anew, and no variant is of two devices', async () => {
  await unitsOn('webgpu')(3)
  await unitsOn('cpu')(1)
  expect(made).toEqual(['block a cpu'])
  await unitsOn('webgpu')()
  expect(new Set(devices())).toEqual(new Set(['webgpu']))
  expect(made[0]).toBe('block a webgpu')
})

test('what another device finished is finished; a lost layer of it costs a whole run', async () => {
  await unitsOn('webgpu')()
  await unitsOn('cpu')()
  expect(made).toEqual([])
  rmSync(join(store.artifacts, 'b-webgpu.safetensors'))
  await unitsOn('cpu')(2)
  await unitsOn('cpu')()
  expect(devices()).toEqual(['cpu', 'cpu', 'cpu', 'cpu'])
})

// What else is done to a network after blocks were left out of it.
import { expect, test } from 'vitest'
import { openNetwork } from '../../../../src-main/engine/checkpoint/open.ts'
import { openDataset } from '../../../../src-main/engine/data/open.ts'
import { prepareNetwork } from '../../../../src-main/engine/prepare/apply.ts'
import { preparations } from '../../../../src-main/engine/prepare/registry.ts'
import type { Layer } from '../../../../src-main/engine/checkpoint/network.ts'
import { dataPath, hasData } from '../../../helpers/data.ts'
import { runPieces } from '../../calibrate/run.ts'
import { distance, feedsFor } from '../../prepare/compare.ts'
import { temporaryFolder } from '../../score/network.ts'

const removed = { method: 'remove-blocks', parameters: { blocks: [1, 2] }, seed: 0, file: null }

test.skipIf(!hasData)('exact rewritings, roundings, and calibrated runs work on what is left', async () => {
  const whole = openNetwork(dataPath('stories260K'))
  const data = await openDataset({ path: dataPath('stories260K', 'valid.txt'), split: 'auto' }, whole)
  const left = prepareNetwork(whole, [removed])
  for (const { id, measure, family, refuses } of preparations) {
    if (measure || id === 'remove-blocks' || refuses(left, {}) !== null) continue
    const made = prepareNetwork(left, [{ method: id, parameters: {}, seed: 1, file: null }])
    expect(made.blocks.map(({ index }) => index)).toEqual([0, 3, 4])
    const error = await distance(left, made, feedsFor(left, 24, 3))
    expect(`${id}: ${error < (family === 'prepare' ? 1e-4 : 0.5)}`).toBe(`${id}: true`)
  }

  const option = { id: 'gptq-4', method: 'gptq', bits: 4, parameters: { bits: 4, groupSize: 32 } }
  const pieces = await runPieces(left, data, {
    ...{ samples: 2, folder: temporaryFolder() },
    option: ({ role }: Layer) => (role === 'down' || role === 'q' ? option : null),
  })
  expect(pieces.flatMap(({ artifacts }) => artifacts.map(({ layer }) => layer))).toEqual(
    [0, 3, 4].flatMap((block) => [
      `model.layers.${block}.self_attn.q_proj.weight`,
      `model.layers.${block}.mlp.down_proj.weight`,
    ]),
  )
  for (const { artifacts } of pieces)
    for (const { relativeError } of artifacts) expect(relativeError).toBeLessThan(0.05)
  whole.source.close()
})

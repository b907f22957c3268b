import { describe, expect, test } from 'vitest'
import { compressPiece, pieces } from '../../../src-main/engine/tasks/compress-piece.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { evaluateNetwork } from '../../../src-main/engine/evaluate/evaluate.ts'
import type { Artifact } from '../../../src-main/engine/protocol.ts'
import { gptq } from '../../../src-main/engine/quantize/gptq.ts'
import { optionsFor } from '../../../src-main/engine/quantize/options.ts'
import { overridesOf } from '../../../src-main/engine/tasks/evaluate.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { quiet, temporaryFolder } from '../score/network.ts'

describe.skipIf(!hasData)('a calibrated run through the tasks', () => {
  const checkpoint = dataPath('stories260K')
  const data = { path: dataPath('stories260K/data.yaml'), split: 'auto' as const }

  async function run(method: 'rtn' | 'gptq', samples: number): Promise<Artifact[]> {
    const network = openNetwork(checkpoint)
    const option = new Map(
      network.layers.map((layer) => {
        const plain = optionsFor(layer).find(({ bits }) => bits === 3)
        const twin = plain && gptq.twin?.(plain, gptq.params.parse({ sweeps: 1 }))
        return [layer.name, method === 'gptq' ? twin : plain]
      }),
    )
    const folder = temporaryFolder()
    const all: Artifact[] = []
    let state: string | null = null
    for (const [piece, { layers, work }] of pieces({ checkpoint, prepared: [] }).pieces.entries()) {
      expect(work).toBeGreaterThan(0)
      const chosen = layers.flatMap((name) => {
        const found = option.get(name)
        return found ? [{ name, option: found }] : []
      })
      const rest = { prepared: [], samples, seed: 0, device: 'cpu' as const, folder, importance: null }
      const result = await compressPiece({ ...rest, checkpoint, data, piece, layers: chosen, state }, quiet)
      all.push(...result.artifacts)
      expect(result.notices).toEqual([])
      state = result.state?.path ?? null
    }
    expect(state).toBe(null)
    return all
  }

  test('GPTQ at 3 bits is nearer to the original than rounding to nearest', async () => {
    const network = openNetwork(checkpoint)
    const dataset = await openDataset(data, network)
    const klOf = async (artifacts: Artifact[]) => {
      const overrides = overridesOf(network, artifacts)
      const limits = { part: 'evaluate' as const, limit: 8, device: 'cpu' as const }
      const { metrics } = await evaluateNetwork({ network, dataset, overrides, ...limits }, quiet)
      return metrics.klDivergence?.value ?? NaN
    }
    const [rtn, feedback] = [await run('rtn', 8), await run('gptq', 8)]
    expect(feedback.map(({ layer }) => layer)).toEqual(rtn.map(({ layer }) => layer))
    expect(rtn.length).toBe(36)
    const [plain, better] = [await klOf(rtn), await klOf(feedback)]
    expect(better, `rounding: ${plain}`).toBeLessThan(plain * 0.9)
  })
})

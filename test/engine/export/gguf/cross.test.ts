// One variant, two files: GGUF and ONNX compute the same model.
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Network } from '../../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../../src-main/engine/checkpoint/open.ts'
import { weightRows } from '../../../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../../../src-main/engine/data/open.ts'
import { evaluateNetwork } from '../../../../src-main/engine/evaluate/evaluate.ts'
import { gguf } from '../../../../src-main/engine/export/gguf/gguf.ts'
import { ggmlOption } from '../../../../src-main/engine/export/gguf/types.ts'
import { onnx } from '../../../../src-main/engine/export/onnx/onnx.ts'
import { writeArtifact } from '../../../../src-main/engine/quantize/artifact.ts'
import { applyPlain } from '../../../../src-main/engine/quantize/options.ts'
import { dataPath, hasData } from '../../../helpers/data.ts'
import { temporaryFolder } from '../../checkpoint/temporary.ts'

const quiet = { progress: () => undefined, notify: () => undefined }
const types = ['Q4_0', 'Q8_0', 'Q6_K', 'Q5_0'] as const

function variantOf(network: Network, folder: string) {
  mkdirSync(folder)
  return network.layers
    .filter(({ compressible }) => compressible)
    .map((layer, i) => {
      const option = ggmlOption(types[i % types.length] ?? 'Q8_0')
      const matrix = applyPlain(weightRows(network, layer), option, { layer: layer.name })
      const made = writeArtifact(folder, matrix, { layer: layer.name, option, methodVersion: 1 })
      return { layer: layer.name, option, relativeError: 0, ...made }
    })
}

async function perplexityOf(path: string): Promise<number> {
  const network = openNetwork(path)
  const dataset = await openDataset({ path: dataPath('novels-5m', 'data.yaml'), split: 'none' }, network)
  try {
    const order = { network, dataset, part: 'evaluate', overrides: null, device: 'cpu', limit: 8 } as const
    return (await evaluateNetwork(order, quiet)).metrics.perplexity?.value ?? NaN
  } finally {
    network.source.close()
  }
}

describe.skipIf(!hasData)('cross-check', () => {
  test('a mix of Q4_0, Q5_0, Q8_0 and Q6_K has the same perplexity as GGUF and as ONNX', async () => {
    const folder = temporaryFolder()
    const network = openNetwork(dataPath('novels-5m'))
    const artifacts = variantOf(network, join(folder, 'artifacts'))
    for (const name of ['tokenizer.json', 'config.json']) copyFileSync(dataPath('novels-5m', name), join(folder, name))
    const order = { network, artifacts, dataset: null, overwrite: false, plannedBytes: 0 }
    await gguf.write({ ...order, path: join(folder, 'm.gguf') }, quiet)
    await onnx.write({ ...order, path: join(folder, 'm.onnx') }, quiet)
    const [one, other, original] = [
      await perplexityOf(join(folder, 'm.gguf')),
      await perplexityOf(join(folder, 'm.onnx')),
      await perplexityOf(dataPath('novels-5m')),
    ]
    expect(Math.abs(one / other - 1)).toBeLessThan(1e-3)
    expect(Math.abs(one / original - 1)).toBeGreaterThan(1e-4) // it is the variant that was measured
  })
})

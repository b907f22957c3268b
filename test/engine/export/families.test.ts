import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { planBytes } from '../../../src-main/engine/export/onnx/plan.ts'
import { onnx } from '../../../src-main/engine/export/onnx/onnx.ts'
import { familyCases, writeGoldenFolder } from '../families/golden.ts'
import { openPath } from '../families/run.ts'
import { quiet, temporaryFolder } from '../score/network.ts'
import { compress } from './compress.ts'

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

// Fused layers, layers that lie in columns, capped logits, projected embeddings, experts that no token chooses.
test.each(['gpt2', 'neox', 'phi3', 'opt_after_projected', 'gemma2', 'qwen2_moe', 'mixtral'])(
  '%s: every layer compressed, the exported file answers like the variant',
  async (name) => {
    const golden = familyCases.find((each) => each.name === name)
    if (!golden) throw new Error(`no case ${name}`)
    const source = writeGoldenFolder(golden)
    folders.push(source)
    const network = openPath(source)
    const plan = planBytes(network, 'packed')
    for (const choose of [() => 4, (layer: number) => [2, 8, 3, 32][layer % 4] ?? 8]) {
      const folder = temporaryFolder()
      const { artifacts, plannedBytes } = compress(network, plan, join(folder, 'artifacts'), choose)
      const args = { network, artifacts, path: join(folder, 'out'), dataset: null, overwrite: false, plannedBytes }
      const { files, verified } = await onnx.write(args, quiet)
      expect(verified.some((line) => line.includes('equals the variant'))).toBe(true)
      const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
      expect(Math.abs(bytes / plannedBytes - 1)).toBeLessThan(0.02) // small files, in which names weigh
    }
    network.source.close()
  },
)

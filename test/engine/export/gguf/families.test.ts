// llama.cpp as an independent reference for every family that GGUF has: the golden models, written as float32 GGUF, give in
// llama.cpp what the reference of the golden numbers gives.
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { openNetwork } from '../../../../src-main/engine/checkpoint/open.ts'
import { gguf } from '../../../../src-main/engine/export/gguf/gguf.ts'
import { layoutOf } from '../../../../src-main/engine/export/gguf/layout.ts'
import { ggufParameters } from '../../../../src-main/engine/export/gguf/parameters.ts'
import { familyCases, type GoldenCase, goldenCases, writeGoldenFolder } from '../../families/golden.ts'
import { hasLlama, openLlama } from '../../../helpers/llama.ts'
import { temporaryFolder } from '../../checkpoint/temporary.ts'
import { judge } from './agreement.ts'
import { plainTokenizer } from './models.ts'

const quiet = { progress: () => undefined, notify: () => undefined }
const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** llama.cpp cannot honour these settings; the exporter must say so. */
const refused = new Map<string, RegExp>([
  ['dynamic_long', /dynamic/],
  ['dynamic_short', /dynamic/],
  ['relu_deep', /relu/],
  ['qwen3_bias_tied_window', /bias/],
  ['opt', /"opt"/],
  ['opt_after_projected', /"opt"/],
  ['opt_bare_names', /"opt"/],
])
/** Families that checkpoint/gguf has no architecture for yet. */
const unknownYet = /no architecture for/

const open = (golden: GoldenCase) => {
  const folder = writeGoldenFolder(golden)
  folders.push(folder)
  const network = openNetwork(folder)
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(plainTokenizer(network.head?.vocabulary ?? 32)))
  network.source.close()
  return openNetwork(folder)
}

describe.skipIf(!hasLlama)('llama.cpp gives the logits of the reference', () => {
  test.each([...goldenCases, ...familyCases])('$name', async (golden) => {
    const network = open(golden)
    const reason = gguf.refuses(network)
    const expected = refused.get(golden.name)
    if (expected) {
      expect(reason).toMatch(expected)
      return
    }
    if (reason !== null) {
      expect(reason).toMatch(unknownYet)
      return
    }
    const path = join(temporaryFolder(), 'm.gguf')
    const parameters = ggufParameters.parse({ type: 'F32' })
    const options = gguf.convert?.(network, parameters)
    await gguf.write({ network, artifacts: [], ...(options && { options }), parameters, path, dataset: null, overwrite: false, plannedBytes: 0 }, quiet) // prettier-ignore
    // Beyond the context that the file states, llama.cpp and the model may part (sliding windows).
    const context = layoutOf(network).metadata.get(`${layoutOf(network).architecture.id}.context_length`)
    const most = context && 'value' in context ? Number(context.value) : 0
    const llama = await openLlama(path, Math.min(most, Math.max(...golden.ids.map(({ length }) => length))))
    try {
      let compared = 0
      for (const [batch, ids] of golden.ids.entries()) {
        const window = ids.slice(0, most)
        const logits = Float32Array.from(golden.logits[batch] ?? [])
        const width = logits.length / ids.length
        for (const [place, found] of (await llama.expect(window)).entries()) {
          const wanted = judge(logits.subarray(place * width, (place + 1) * width), window[place + 1] as number)
          expect(Math.abs(found.nll - wanted.nll)).toBeLessThan(1e-4)
          expect(found.top).toBe(wanted.top)
          compared++
        }
      }
      expect(compared).toBeGreaterThan(2)
    } finally {
      await llama.close()
    }
  })
})

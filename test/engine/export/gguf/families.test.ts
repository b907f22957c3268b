// llama.cpp as an independent reference for every family that GGUF has: the golden models (whose logits in Lathe equal those
// of the reference that made them), written as float32 GGUF, give the same distributions in llama.cpp.
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { Network } from '../../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../../src-main/engine/checkpoint/open.ts'
import { gguf } from '../../../../src-main/engine/export/gguf/gguf.ts'
import { layoutOf } from '../../../../src-main/engine/export/gguf/layout.ts'
import { ggufParameters } from '../../../../src-main/engine/export/gguf/parameters.ts'
import { familyCases, type GoldenCase, goldenCases, writeGoldenFolder } from '../../families/golden.ts'
import { hasLlama, openLlama } from '../../../helpers/llama.ts'
import { temporaryFolder } from '../../checkpoint/temporary.ts'
import { latheExpectations } from './agreement.ts'
import { plainTokenizer } from './models.ts'

const quiet = { progress: () => undefined, notify: () => undefined }
const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** Settings that llama.cpp does not honour: the exporter says so instead of writing a model that computes something else. */
const refused = new Map<string, RegExp>([
  ['dynamic_long', /"dynamic"/],
  ['dynamic_short', /"dynamic"/],
  ['relu_deep', /"relu"/],
  ['yarn_mscale', /truncate/],
  ['gpt2_bare_names', /"gelu"/],
  ['gpt2_own_head', /"relu"/],
  ['neox_sequential', /attention_bias/],
  ['neox_tied_newer', /tie_word_embeddings/],
  ['gemma2_no_caps', /attention_bias/],
  ['opt', /"opt"/],
  ['opt_after_projected', /"opt"/],
  ['opt_bare_names', /"opt"/],
  ['qwen2_moe_some_dense', /norm_topk_prob/],
  ['qwen3_bias_tied_window', /attention_bias/],
  ['qwen3_moe_plain_shares', /norm_topk_prob/],
])
/** llama.cpp rounds contexts up to 256 tokens, so that it takes the long factors of these small models. */
const incomparable = new Set(['longrope_short', 'phi3_longrope_short'])
/** ggml looks these activations up in tables of float16. */
const tabled = /^(gpt2|neox|gemma)/

/** llama.cpp derives this scale of Gemma from its shape; the golden models have another. */
function fitting({ name, config }: GoldenCase): Record<string, unknown> {
  if (!name.startsWith('gemma')) return {}
  const scale = { query_pre_attn_scalar: 16 }
  const nested = config.text_config
  return { ...scale, ...(typeof nested === 'object' && { text_config: { ...nested, ...scale } }) }
}

function open(golden: GoldenCase): Network {
  const folder = writeGoldenFolder(golden, 1, fitting(golden))
  folders.push(folder)
  const network = openNetwork(folder)
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(plainTokenizer(network.head?.vocabulary ?? 32)))
  network.source.close()
  return openNetwork(folder)
}

async function write(network: Network): Promise<string> {
  const path = join(temporaryFolder(), 'm.gguf')
  const parameters = ggufParameters.parse({ type: 'F32' })
  const options = gguf.convert?.(network, parameters)
  const order = { network, artifacts: [], ...(options && { options }), parameters, path, dataset: null }
  await gguf.write({ ...order, overwrite: false, plannedBytes: 0 }, quiet)
  return path
}

const comparable = [...goldenCases, ...familyCases].filter(({ name }) => !incomparable.has(name))

describe.skipIf(!hasLlama)('llama.cpp expects what Lathe expects', () => {
  test.each(comparable)('$name', async (golden) => {
    const network = open(golden)
    const expected = refused.get(golden.name)
    if (expected) {
      expect(gguf.refuses(network)).toMatch(expected)
      return
    }
    expect(gguf.refuses(network)).toBeNull()
    const path = await write(network)
    // Beyond the context that the file states, llama.cpp and the model may part (sliding windows).
    const { metadata, architecture } = layoutOf(network)
    const context = metadata.get(`${architecture.id}.context_length`)
    const most = context && 'value' in context ? Number(context.value) : 0
    const windows = golden.ids.map((ids) => ids.slice(0, most))
    const lathe = await latheExpectations(network, windows)
    const llama = await openLlama(path, Math.max(...windows.map(({ length }) => length)))
    try {
      const theirs = []
      for (const window of windows) theirs.push(...(await llama.expect(window)))
      expect(theirs.length).toBeGreaterThan(2)
      const close = tabled.test(golden.name) ? 1e-2 : 1e-4
      for (const [i, { top, nll }] of theirs.entries()) {
        expect(Math.abs(nll - (lathe[i]?.nll ?? NaN))).toBeLessThan(close)
        expect(top).toBe(lathe[i]?.top)
      }
    } finally {
      await llama.close()
      network.source.close()
    }
  })
})

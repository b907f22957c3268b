// The graph with a cache under a generator that we did not write: @huggingface/transformers feeds and reads it.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { AutoModelForCausalLM, env, Tensor } from '@huggingface/transformers'
import { afterAll, expect, test } from 'vitest'
import { encodeModel } from '../../../src-main/engine/checkpoint/onnx/encode.ts'
import { weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import { familyCases, goldenCases, writeGoldenFolder } from './golden.ts'
import { fail, openPath, whole } from './run.ts'

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const cases = [...goldenCases, ...familyCases]
const chosen = ['plain', 'mistral_window', 'qwen2_window', 'qwen3', 'gemma2', 'gemma3', 'phi3', 'gpt2', 'neox', 'opt']
const experts = ['qwen2_moe', 'qwen3_moe']

/** The most likely next token, again and again, each time from the whole text. */
async function continueWhole(folder: string, prompt: number[], count: number): Promise<number[]> {
  const network = openPath(folder)
  const session = await openSession(
    network.graph ?? fail('no graph'),
    weightReader(network),
    { device: 'cpu', threads: 1 },
    fail,
  )
  const text = [...prompt]
  for (let step = 0; step < count; step++) {
    const { logits } = await session.run({ input_ids: whole([text]) })
    const last = Array.from((logits?.data as Float32Array).slice(-(network.head?.vocabulary ?? 0)))
    text.push(last.indexOf(Math.max(...last)))
  }
  await session.release()
  network.source.close()
  return text
}

test.each([...chosen, ...experts])('%s generates the same text in transformers.js', async (name) => {
  const golden = cases.find((each) => each.name === name) ?? fail(`no case ${name}`)
  const folder = writeGoldenFolder(golden, 1, { eos_token_id: 1000, pad_token_id: 0 })
  folders.push(folder)
  const network = openPath(folder)
  const graph = network.cached?.() ?? fail('no graph with a cache')
  mkdirSync(join(folder, 'onnx'))
  writeFileSync(join(folder, 'onnx', 'model.onnx'), encodeModel(graph, weightReader(network)))
  network.source.close()

  env.allowRemoteModels = false
  env.localModelPath = dirname(folder)
  const model = await AutoModelForCausalLM.from_pretrained(basename(folder), { dtype: 'fp32' })
  const prompt = golden.ids[0]?.slice(0, 5) ?? []
  const generated = (await model.generate({
    inputs: new Tensor('int64', BigInt64Array.from(prompt, BigInt), [1, prompt.length]),
    max_new_tokens: 12,
    do_sample: false,
  } as Parameters<typeof model.generate>[0])) as Tensor
  await model.dispose()
  expect(Array.from(generated.data as BigInt64Array, Number)).toEqual(await continueWhole(folder, prompt, 12))
})

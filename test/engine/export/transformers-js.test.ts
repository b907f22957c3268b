// Our folders under the program they are made for: @huggingface/transformers loads them and gives the same outputs.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import {
  AutoModel,
  AutoModelForCausalLM,
  AutoModelForImageClassification,
  AutoModelForSequenceClassification,
  AutoTokenizer,
  env,
  Tensor,
} from '@huggingface/transformers'
import { expect, onTestFinished, test } from 'vitest'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { variantWeights, artifactReader } from '../../../src-main/engine/export/onnx/weights.ts'
import { transformersJs } from '../../../src-main/engine/export/transformers-js/transformers-js.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import type { TensorValue } from '../../../src-main/engine/runtime/types.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { feedsOf, networkCases, writeCase } from '../families/golden-case.ts'

const quiet = { progress: () => undefined, notify: (notice: string) => expect.unreachable(notice) }
env.allowRemoteModels = false

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lathe-tjs-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'model')
}

function open(path: string): Network {
  const network = openNetwork(path)
  onTestFinished(() => network.source.close())
  return network
}

type Width = 'float32' | 'int8' | 'int4' | 'int2'
const names = {
  float32: ['fp32', 'model.onnx'],
  int8: ['q8', 'model_quantized.onnx'],
  int4: ['q4', 'model_q4.onnx'],
  int2: ['q2', 'model_q2.onnx'],
} as const

/** Exports a whole conversion; gives the folder and the variant's own outputs for comparison. */
async function exported(network: Network, type: Width) {
  const path = temporary()
  const options = transformersJs.convert?.(network, { type }) ?? new Map()
  const args = { network, artifacts: [], options, path, dataset: null, overwrite: false, plannedBytes: 0 }
  const result = await transformersJs.write(args, quiet)
  const plan = transformersJs.planBytes(network)
  const planned = plan.layers.reduce((sum, { name, options: offered }) => {
    const id = options.get(name)?.id ?? 'keep'
    return sum + (offered.find((option) => option.id === id)?.bytes ?? Number.NaN)
  }, plan.baseBytes)
  const bytes = result.files.reduce((sum, file) => sum + file.bytes, 0)
  expect(Math.abs(bytes / planned - 1)).toBeLessThan(0.01)
  expect(result.files[0]?.path).toBe(join(path, 'onnx', names[type][1]))
  const run = async (feeds: Record<string, TensorValue>) => {
    const weights = variantWeights(
      network,
      new Set(options.keys()),
      artifactReader({ network, artifacts: [], options }),
    )
    if (network.graph === null) throw new Error('no graph')
    const session = await openSession(network.graph, weights, { device: 'cpu', threads: 1 }, quiet.notify)
    const outputs = await session.run(feeds)
    await session.release()
    return outputs
  }
  env.localModelPath = dirname(path)
  return { path, name: basename(path), dtype: names[type][0], run, verified: result.verified }
}

const tensorsOf = (feeds: Record<string, TensorValue>) =>
  Object.fromEntries(
    Object.entries(feeds).map(([name, { dtype, data, dims }]) => [
      name,
      new Tensor(dtype as 'float32', data as Float32Array, dims),
    ]),
  )

/** Largest difference relative to the largest number. */
function relative(found: Tensor | undefined, wanted: TensorValue | undefined): number {
  const [a, b] = [found?.data as Float32Array, wanted?.data as Float32Array]
  expect(a.length).toBe(b.length)
  const largest = b.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  return b.reduce((most, x, i) => Math.max(most, Math.abs(x - (a[i] ?? Number.NaN))), 0) / largest
}

test.skipIf(!hasData).each(['int4', 'int8', 'float32'] as const)(
  'a language model in %s writes the same text with its cache as without',
  async (type) => {
    const network = open(dataPath('stories260K'))
    const { path, name, dtype, run, verified } = await exported(network, type)
    expect(verified[0]).toMatch(/random tokens at once and 4 one by one/)
    expect(readFileSync(join(path, 'README.md'), 'utf8')).toContain(`dtype: '${dtype}'`)
    const model = await AutoModelForCausalLM.from_pretrained(name, { dtype })
    const tokenizer = await AutoTokenizer.from_pretrained(name)
    const { input_ids: prompt } = tokenizer('Once upon a time, there was a') as { input_ids: Tensor }
    const generated = (await model.generate({ inputs: prompt, max_new_tokens: 24, do_sample: false } as Parameters<
      typeof model.generate
    >[0])) as Tensor
    await model.dispose()
    const text = Array.from(prompt.data as BigInt64Array)
    for (let step = 0; step < 24; step++) {
      const { logits } = await run({
        input_ids: { dtype: 'int64', dims: [1, text.length], data: BigInt64Array.from(text) },
      })
      const last = Array.from((logits?.data as Float32Array).slice(-512))
      text.push(BigInt(last.indexOf(Math.max(...last))))
    }
    expect(Array.from(generated.data as BigInt64Array)).toEqual(text)
  },
  60_000,
)

const loaders = {
  bert_classes: AutoModelForSequenceClassification,
  bert_features: AutoModel,
  bert_sentence_mean: AutoModel,
  vit_classes: AutoModelForImageClassification,
}
const cases = [...networkCases('encoder'), ...networkCases('vision')]

test.each(
  Object.entries(loaders).flatMap(([name, loader]) =>
    (['float32', 'int4'] as const).map((type) => [name, type, loader] as const),
  ),
)(
  '%s in %s gives the outputs of the variant',
  async (caseName, type, loader) => {
    const golden = cases.find((each) => each.name === caseName)
    if (!golden) throw new Error(`no case ${caseName}`)
    const folder = writeCase(golden)
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const network = open(folder)
    const { name, dtype, run } = await exported(network, type)
    const model = await loader.from_pretrained(name, { dtype })
    const outputs = (await model(tensorsOf(feedsOf(golden)))) as Record<string, Tensor>
    await model.dispose()
    const wanted = await run(feedsOf(golden))
    expect(Object.keys(wanted).length).toBeGreaterThan(0)
    for (const output of Object.keys(wanted))
      expect(relative(outputs[output], wanted[output]), output).toBeLessThan(1e-4)
  },
  60_000,
)

test.skipIf(!hasData)('what it cannot hold is refused in words, and nothing half written stays', async () => {
  const graphOnly = open(dataPath('cifar10', 'resnet20.onnx'))
  expect(transformersJs.refuses(graphOnly)).toMatch(/config\.json/)
  const network = open(dataPath('stories260K'))
  expect(transformersJs.refuses(network)).toBeNull()
  const path = temporary()
  const broken = {
    ...network,
    source: {
      ...network.source,
      read: () => {
        throw new Error('disk gone')
      },
    },
  }
  const args = { network: broken, artifacts: [], path, dataset: null, overwrite: false, plannedBytes: 0 }
  await expect(transformersJs.write(args, quiet)).rejects.toThrow(/disk gone/)
  expect(existsSync(path)).toBe(false)
})

// Planned mixes of GGUF types against the recorded files of llama.cpp's own quantizer, judged by llama.cpp itself:
//   node test/bench/records.ts [MODEL FOLDER] [--bytes 3629696,2418304] [--quantizer gptq] [--windows n] [--keep FOLDER]
// For each recorded size: the plan that fits it, run, exported, loaded by llama.cpp; mean KL divergence and mean
// ln(perplexity ratio) to its own float32 file over the second half of windows of 256 tokens of valid.txt, as recorded.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Token } from 'node-llama-cpp'
import { withSession } from '../../src-main/cli/session.ts'
import { dataFolder } from '../helpers/data.ts'
import { machine } from './measure.ts'

/** type, bytes of the file, KL divergence to float32: llama.cpp with its imatrix on calib.txt. */
const records: [string, number, number][] = [
  ['Q8_0', 6_208_960, 0.00018],
  ['Q6_K', 4_812_416, 0.00104],
  ['Q5_K_M', 4_203_136, 0.00154],
  ['Q4_K_M', 3_629_696, 0.00354],
  ['Q4_K_S', 3_493_504, 0.00421],
  ['Q4_0', 3_468_928, 0.00609],
  ['IQ4_XS', 3_296_896, 0.00577],
  ['Q3_K_M', 3_016_320, 0.01258],
  ['IQ3_S', 2_764_416, 0.01627],
  ['IQ3_XXS', 2_449_024, 0.03116],
  ['Q2_K', 2_418_304, 0.0521],
  ['IQ2_S', 2_160_256, 0.0603],
  ['IQ2_XS', 1_993_344, 0.08953],
  ['IQ2_XXS', 1_858_176, 0.11516],
]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    bytes: { type: 'string' },
    quantizer: { type: 'string', default: 'gptq' },
    windows: { type: 'string', default: '172' },
    keep: { type: 'string' },
  },
})
const folder = positionals[0] ?? join(dataFolder, 'novels-5m')
const asked = values.bytes?.split(',').map(Number)
const rows = records.filter(([, bytes]) => asked?.includes(bytes) ?? true)
const home = values.keep === undefined ? mkdtempSync(join(tmpdir(), 'lathe-records-')) : resolve(values.keep)
mkdirSync(home, { recursive: true })

const WINDOW = 256
const library = await import('node-llama-cpp')
const llama = await library.getLlama({
  gpu: false,
  build: 'never',
  maxThreads: 1,
  logLevel: library.LlamaLogLevel.error,
})
const text = readFileSync(join(folder, 'valid.txt'), 'utf8')

/** Log-probabilities of every place in the second half of each window, and the token that really follows. */
async function* judge(path: string): AsyncGenerator<{ log: Float32Array; next: number }[]> {
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0, checkTensors: true })
  const context = await model.createContext({ contextSize: WINDOW, batchSize: WINDOW, sequences: 1, threads: 1, flashAttention: false }) // prettier-ignore
  const sequence = context.getSequence()
  const bos = model.tokens.shouldPrependBosToken ? model.tokens.bos : null
  const ids = [...(bos === null ? [] : [bos]), ...model.tokenize(text)]
  const count = Math.min(Math.floor(ids.length / WINDOW), Number(values.windows))
  for (let w = 0; w < count; w++) {
    await sequence.clearHistory()
    const window = ids.slice(w * WINDOW, (w + 1) * WINDOW)
    if (bos !== null) window[0] = bos
    const options = { temperature: 0, topK: 0, topP: 1, minP: 0 }
    const input = window.map((token, place): Token | [Token, object] =>
      place < WINDOW / 2 || place === WINDOW - 1 ? token : [token, { generateNext: { logits: true, options } }],
    )
    const out = await sequence.controlledEvaluate(input as Parameters<typeof sequence.controlledEvaluate>[0])
    yield Array.from({ length: WINDOW / 2 - 1 }, (_, i) => {
      const place = WINDOW / 2 + i
      const logits = out[place]?.next.logits
      if (!logits) throw new Error('llama.cpp gave no logits')
      const log = new Float32Array(logits.size)
      for (const [token, logit] of logits) log[token] = logit
      const most = log.reduce((a, b) => Math.max(a, b), -Infinity)
      const norm = most + Math.log(log.reduce((sum, logit) => sum + Math.exp(logit - most), 0))
      return { log: log.map((logit) => logit - norm), next: window[place + 1] ?? 0 }
    })
  }
  await context.dispose()
  await model.dispose()
}

async function compare(original: string, candidate: string): Promise<{ kl: number; ln: number; same: number }> {
  let [kl, ln, same, count] = [0, 0, 0, 0]
  const other = judge(candidate)
  for await (const window of judge(original)) {
    const found = (await other.next()).value as typeof window
    for (const [i, { log, next }] of window.entries()) {
      const q = found[i]?.log ?? new Float32Array()
      for (let t = 0; t < log.length; t++) kl += Math.exp(log[t] ?? 0) * ((log[t] ?? 0) - (q[t] ?? 0))
      ln += (log[next] ?? 0) - (q[next] ?? 0)
      same += Number(
        log.indexOf(log.reduce((a, b) => Math.max(a, b))) === q.indexOf(q.reduce((a, b) => Math.max(a, b))),
      )
      count++
    }
  }
  return { kl: kl / count, ln: ln / count, same: (100 * same) / count }
}

try {
  console.log(machine())
  await withSession({ home, quiet: true }, async (session) => {
    const { client, finish } = session
    const data = join(folder, 'data.yaml')
    const known = (await client.call('project.recent', {})).find(({ checkpoint }) => checkpoint === resolve(folder))
    const { folder: project } = known
      ? await client.call('project.open', { folder: known.folder })
      : await client.call('project.create', { checkpoint: resolve(folder), data: resolve(data) })
    await client.call('project.setFormat', { project, format: 'gguf' })
    const quantizer = values.quantizer === 'nearest' ? null : { method: values.quantizer, parameters: {} }
    await client.call('project.setMethods', { project, methods: { quantizer, prepare: [], samples: null } })
    const measured = performance.now()
    await finish(await client.call('sensitivity.start', { project }))
    console.log(`sensitivity: ${((performance.now() - measured) / 1000).toFixed(0)} s`)
    const original = join(home, 'original.gguf')
    if (!existsSync(original))
      await finish(
        await client.call('convert.start', {
          ...{ checkpoint: resolve(folder), format: 'gguf', parameters: { type: 'F32' }, path: original },
        }),
      )
    console.log('| at the bytes of | bytes | planned | KL predicted | KL | of the record | ln | same % | s |')
    for (const [type, bytes, record] of rows) {
      const began = performance.now()
      const { recipe, predicted } = await client.call('plan.solve', { project, budget: { bytes } })
      const job = await finish(await client.call('run.start', { project, recipe, evaluate: false }))
      const path = join(home, `${type}.gguf`)
      await finish(
        await client.call('export.start', {
          project,
          variant: job.result ?? '',
          path,
          parameters: {},
          overwrite: true,
        }),
      )
      const { kl, ln, same } = await compare(original, path)
      const used = new Map<string, number>()
      for (const { option } of recipe.layers) {
        const name = String(option.parameters.type ?? option.id)
        used.set(name, (used.get(name) ?? 0) + 1)
      }
      const mix = [...used].map(([name, count]) => `${count} ${name}`).join(', ')
      const seconds = ((performance.now() - began) / 1000).toFixed(0)
      console.log(
        `| ${type} | ${bytes} | ${statSync(path).size} | ${predicted.loss.toFixed(5)} | ${kl.toFixed(5)} | ` +
          `${(kl / record).toFixed(3)} | ${ln.toFixed(4)} | ${same.toFixed(1)} | ${seconds} | ${mix}`,
      )
    }
  })
} finally {
  if (values.keep === undefined) rmSync(home, { recursive: true, force: true })
  await llama.dispose()
}

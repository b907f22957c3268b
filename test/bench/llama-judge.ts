// GGUF files judged by llama.cpp itself, as the recorded figures were: mean KL divergence and mean ln(perplexity ratio) to the
// file's own float32 form, and the share of equal most likely tokens, over the second half of windows of 256 tokens.
import { readFileSync } from 'node:fs'
import type { Token } from 'node-llama-cpp'

/** type, bytes of the file, KL divergence to float32: llama.cpp with its imatrix on calib.txt of novels-5m. */
export const records: [type: string, bytes: number, kl: number][] = [
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

export interface Judgement {
  kl: number
  ln: number // mean ln(perplexity ratio)
  same: number // %
}

export interface Judge {
  /** How far `candidate` is from `original`. The answers of the last original are kept: one pass a candidate. */
  compare(original: string, candidate: string): Promise<Judgement>
  close(): Promise<void>
}

const WINDOW = 256

interface Place {
  log: Float32Array // log-probability of every token
  next: number // that really follows
}

/** text: file whose windows are predicted, as far as `most` of them. One thread: the machine may be shared. */
export async function openJudge(text: string, most: number): Promise<Judge> {
  const library = await import('node-llama-cpp')
  const llama = await library.getLlama({ gpu: false, build: 'never', maxThreads: 1, logLevel: library.LlamaLogLevel.error }) // prettier-ignore
  const words = readFileSync(text, 'utf8')

  async function* places(path: string): AsyncGenerator<Place[]> {
    const model = await llama.loadModel({ modelPath: path, gpuLayers: 0, checkTensors: true })
    const context = await model.createContext({ contextSize: WINDOW, batchSize: WINDOW, sequences: 1, threads: 1, flashAttention: false }) // prettier-ignore
    const sequence = context.getSequence()
    const bos = model.tokens.shouldPrependBosToken ? model.tokens.bos : null
    const ids = [...(bos === null ? [] : [bos]), ...model.tokenize(words)]
    const count = Math.min(Math.floor(ids.length / WINDOW), most)
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
        return { log: logProbabilities(logits), next: window[place + 1] ?? 0 }
      })
    }
    await context.dispose()
    await model.dispose()
  }

  let kept: { path: string; windows: Place[][] } = { path: '', windows: [] }
  return {
    async compare(original, candidate) {
      if (kept.path !== original) {
        const windows: Place[][] = []
        for await (const window of places(original)) windows.push(window)
        kept = { path: original, windows }
      }
      let [kl, ln, same, count, window] = [0, 0, 0, 0, 0]
      for await (const found of places(candidate)) {
        for (const [i, { log: q }] of found.entries()) {
          const { log, next } = kept.windows[window]?.[i] ?? { log: new Float32Array(), next: 0 }
          for (let t = 0; t < log.length; t++) kl += Math.exp(log[t] ?? 0) * ((log[t] ?? 0) - (q[t] ?? 0))
          ln += (log[next] ?? 0) - (q[next] ?? 0)
          same += Number(likeliest(log) === likeliest(q))
          count++
        }
        window++
      }
      return { kl: kl / count, ln: ln / count, same: (100 * same) / count }
    },
    close: () => llama.dispose(),
  }
}

function logProbabilities(logits: ReadonlyMap<number, number>): Float32Array {
  const log = new Float32Array(logits.size)
  for (const [token, logit] of logits) log[token] = logit
  const most = log.reduce((a, b) => Math.max(a, b), -Infinity)
  const norm = most + Math.log(log.reduce((sum, logit) => sum + Math.exp(logit - most), 0))
  return log.map((logit) => logit - norm)
}

const likeliest = (log: Float32Array): number => log.indexOf(log.reduce((a, b) => Math.max(a, b), -Infinity))

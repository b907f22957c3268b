// llama.cpp itself, through node-llama-cpp: loads a GGUF file, tokenizes, and says what it expects at every place of a
// window. One thread: on shared cores its threads wait for one another.
import type { Token } from 'node-llama-cpp'

export interface Expectation {
  top: number // the most likely next token
  nll: number // of the token that really follows, nats
}

export interface LlamaModel {
  tokenize(text: string): number[]
  /** For each place of the window but the last. */
  expect(window: readonly number[]): Promise<Expectation[]>
  close(): Promise<void>
}

const loadLibrary = async () => {
  try {
    const library = await import('node-llama-cpp')
    const llama = await library.getLlama({ gpu: false, build: 'never', maxThreads: 1, logLevel: library.LlamaLogLevel.error }) // prettier-ignore
    return llama
  } catch {
    return null
  }
}
const llama = await loadLibrary()
export const hasLlama = llama !== null
export const skipReason = 'llama.cpp cannot be run on this platform (npm package node-llama-cpp)'
if (!hasLlama) process.stderr.write(`skipped: ${skipReason}\n`)

/** Ends llama.cpp; without it the process stays alive. */
export const endLlama = async (): Promise<void> => llama?.dispose()

export async function openLlama(path: string, contextSize = 256): Promise<LlamaModel> {
  if (llama === null) throw new Error(skipReason)
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0, checkTensors: true })
  const context = await model.createContext({
    contextSize,
    batchSize: contextSize,
    sequences: 1,
    threads: 1,
    flashAttention: false,
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32',
  })
  const sequence = context.getSequence()
  return {
    tokenize: (text) => model.tokenize(text),
    async expect(window) {
      await sequence.clearHistory()
      const input = window.map((token, place) => {
        if (place === window.length - 1) return token as Token
        const filter = { tokens: [window[place + 1] as Token], includeSelected: true }
        const options = { temperature: 0, topK: 0, topP: 1, minP: 0 }
        return [token as Token, { generateNext: { token: true, logits: { filter }, totalLogitWeight: true, options } }] as [Token, object] // prettier-ignore
      })
      const out = await sequence.controlledEvaluate(input)
      return window.slice(0, -1).map((_, place) => {
        const next = out[place]?.next
        if (next?.logits === undefined || next.totalLogitWeight === undefined || next.token === undefined)
          throw new Error(`llama.cpp says nothing about place ${place}`)
        const largest = Math.max(...next.logits.values())
        const logit = next.logits.get(window[place + 1] as Token) ?? NaN
        return { top: next.token as number, nll: largest + Math.log(next.totalLogitWeight) - logit }
      })
    },
    async close() {
      await context.dispose()
      await model.dispose()
    },
  }
}

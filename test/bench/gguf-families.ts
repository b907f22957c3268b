// Every decoder with reference logits, as GGUF, computed by llama.cpp (node-llama-cpp) and by Lathe: largest difference of
// log probabilities. Keys and values are kept in float32.
// longrope by its short factors differs: llama.cpp rounds contexts up to 256 tokens and takes the long ones.
//   node test/bench/gguf-families.ts
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getLlama, type Token } from 'node-llama-cpp'
import { architectureFor } from '../../src-main/engine/checkpoint/gguf/architectures/registry.ts'
import { openNetwork } from '../../src-main/engine/checkpoint/open.ts'
import { weightReader } from '../../src-main/engine/checkpoint/weights.ts'
import { openSession } from '../../src-main/engine/runtime/session.ts'
import { applied } from '../engine/gguf/apply.ts'
import { familyCases, goldenCases, writeGoldenFolder } from '../engine/families/golden.ts'
import { ggufFile, type Value } from '../helpers/gguf.ts'

const folder = mkdtempSync(join(tmpdir(), 'lathe-families-'))
const vocabulary = (size: number): [string, Value][] => [
  ['tokenizer.ggml.model', { text: 'gpt2' }],
  ['tokenizer.ggml.pre', { text: 'gpt-2' }],
  ['tokenizer.ggml.tokens', { texts: Array.from({ length: size }, (_, i) => (i < 3 ? `<${i}>` : `t${i}`)) }],
  ['tokenizer.ggml.token_type', { i32s: Array.from({ length: size }, (_, i) => (i < 3 ? 3 : 1)) }],
  ['tokenizer.ggml.merges', { texts: [] }],
  ['tokenizer.ggml.bos_token_id', { u32: 1 }],
  ['tokenizer.ggml.eos_token_id', { u32: 2 }],
]
const logSoftmax = (row: ArrayLike<number>): number[] => {
  const values = Array.from(row)
  const top = Math.max(...values)
  const sum = Math.log(values.reduce((total, value) => total + Math.exp(value - top), 0))
  return values.map((value) => value - top - sum)
}

const llama = await getLlama({ gpu: false, build: 'never', maxThreads: 1, logLevel: 'error' as never })
for (const golden of [...goldenCases, ...familyCases]) {
  const architecture = architectureFor(String(golden.config.model_type))
  if (!architecture) continue
  const scalar = { query_pre_attn_scalar: 16 }
  const nested = golden.config.text_config
  const change = /^gemma/.test(golden.name)
    ? { ...scalar, ...(typeof nested === 'object' && { text_config: { ...nested, ...scalar } }) }
    : {}
  const original = openNetwork(writeGoldenFolder(golden, 1, change))
  const size = original.head?.vocabulary ?? 0
  const path = join(folder, `${golden.name}.gguf`)
  try {
    const parts = applied(original, architecture)
    const pairs = (parts.pairs ?? []).filter(([key]) => key !== 'tokenizer.ggml.bos_token_id')
    writeFileSync(path, ggufFile({ ...parts, pairs: [...pairs, ...vocabulary(size)] }))
  } catch (error) {
    console.log(`${golden.name.padEnd(28)} refused: ${(error as Error).message.replace(/^[^:]*: /, '').slice(0, 90)}`)
    continue
  }
  const network = openNetwork(path)
  const ids = (golden.ids[0] ?? []).slice(0, network.head?.context)
  const session = await openSession(
    network.graph as never,
    weightReader(network),
    { device: 'cpu', threads: 1 },
    () => undefined,
  )
  const data = BigInt64Array.from(ids, BigInt)
  const own = (await session.run({ input_ids: { dtype: 'int64', dims: [1, ids.length], data } })).logits
    ?.data as Float32Array
  await session.release()
  network.source.close()
  try {
    const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 })
    const context = await model.createContext({
      contextSize: 64,
      batchSize: 64,
      sequences: 1,
      threads: 1,
      flashAttention: false,
      experimentalKvCacheKeyType: 'F32',
      experimentalKvCacheValueType: 'F32',
    } as never)
    const all = Array.from({ length: size }, (_, i) => i as Token)
    const out = await context.getSequence().controlledEvaluate(
      ids.map(
        (id) =>
          [
            id as Token,
            {
              generateNext: {
                logits: { filter: { tokens: all } },
                options: { temperature: 0, topK: 0, topP: 1, minP: 0 },
              },
            },
          ] as never,
      ),
    )
    let largest = 0
    for (const [at, step] of out.entries()) {
      const logits = (step as { next: { logits: Map<number, number> } }).next.logits
      const theirs = logSoftmax(all.map((id) => logits.get(id) ?? Number.NaN))
      const mine = logSoftmax(own.subarray(at * size, (at + 1) * size))
      for (const [i, value] of theirs.entries()) largest = Math.max(largest, Math.abs(value - (mine[i] ?? Number.NaN)))
    }
    console.log(
      `${golden.name.padEnd(28)} ${architecture.id.padEnd(9)} ${ids.length} positions, largest difference ${largest.toFixed(5)}`,
    )
    await context.dispose()
    await model.dispose()
  } catch (error) {
    console.log(
      `${golden.name.padEnd(28)} ${architecture.id.padEnd(9)} llama.cpp: ${(error as Error).message.slice(0, 200)}`,
    )
  }
}
rmSync(folder, { recursive: true, force: true })
process.exit(0)

// RSQ against GPTQ as its paper compares them: the linear layers of the blocks alone, embedding and head as they are.
//   node test/bench/rsq.ts MODEL DATA [--bits 3,2] [--group 0] [--samples 64] [--windows n] CASE ...
// CASE: gptq, rsq, gptq+rotate, with parameters as rsq:rMin=0.3,strategy=norm+rotate:stream=false,seed=1; '+none' takes a
// quantizer's own rewriting away. group 0: one scale a row. Perplexity on the evaluation part; behind it how the mean negative
// log-likelihood differs from the first case's, with the standard error over windows: both saw the same text.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Network } from '../../src-main/engine/checkpoint/network.ts'
import { weightReader } from '../../src-main/engine/checkpoint/weights.ts'
import type { Dataset } from '../../src-main/engine/data/types.ts'
import type { Artifact } from '../../src-main/engine/protocol.ts'
import { optionsFor, quantizerOf, rtnOption } from '../../src-main/engine/quantize/options.ts'
import { openSession } from '../../src-main/engine/runtime/session.ts'
import { cachedDataset, cachedNetwork } from '../../src-main/engine/tasks/cache.ts'
import { compressPiece, pieces } from '../../src-main/engine/tasks/compress-piece.ts'
import { overridesOf } from '../../src-main/engine/tasks/evaluate.ts'
import { machine } from './measure.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    bits: { type: 'string', default: '3,2' },
    group: { type: 'string', default: '0' },
    samples: { type: 'string', default: '64' },
    windows: { type: 'string' },
  },
})
const [model = '', data = '', ...cases] = positionals
const checkpoint = resolve(model)
const reference = { path: resolve(data), split: 'auto' as const }
const context = { progress: () => undefined, notify: () => undefined }
const group = Number(values.group)
const limit = values.windows === undefined ? undefined : Number(values.windows)

const value = (words: string): string | number | boolean =>
  words === 'true' || words === 'false' ? words === 'true' : Number.isFinite(Number(words)) ? Number(words) : words

const parametersOf = (list: string): Record<string, string | number | boolean> =>
  Object.fromEntries(
    list.split(',').flatMap((pair) => {
      const [key = '', words = ''] = pair.split('=')
      return key === '' ? [] : [[key, value(words)]]
    }),
  )

/** Sum of negative log-likelihoods, and predictions, of each window. */
async function likelihoods(network: Network, dataset: Dataset, overrides: Map<string, Float32Array>) {
  const { graph, head } = network
  if (!graph || !head) throw new Error('No language model.')
  const session = await openSession(graph, weightReader(network, overrides), { device: 'cpu' }, () => undefined)
  const windows: { sum: number; count: number }[] = []
  for await (const { feeds, targets } of dataset.evaluate.batches({ batchSize: 1, ...(limit && { limit }) })) {
    const logits = Object.values(await session.run(feeds))[0]?.data as Float32Array
    const [width, window] = [head.vocabulary, { sum: 0, count: 0 }]
    for (const [at, target] of (targets ?? []).entries()) {
      if (target < 0) continue
      const row = logits.subarray(at * width, (at + 1) * width)
      let [most, norm] = [-Infinity, 0]
      for (const logit of row) most = Math.max(most, logit)
      for (const logit of row) norm += Math.exp(logit - most)
      window.sum += most + Math.log(norm) - (row[target] ?? 0)
      window.count++
    }
    windows.push(window)
  }
  await session.release()
  return windows
}
type Windows = Awaited<ReturnType<typeof likelihoods>>

const meanOf = (windows: Windows): number =>
  windows.reduce((sum, each) => sum + each.sum, 0) / windows.reduce((sum, { count }) => sum + count, 0)

/** Mean difference a prediction, and its standard error with windows as clusters. */
function against(first: Windows, own: Windows): { mean: number; error: number } {
  const mean = meanOf(own) - meanOf(first)
  const count = own.reduce((sum, each) => sum + each.count, 0)
  const squares = own.reduce((sum, each, i) => sum + (each.sum - (first[i]?.sum ?? 0) - mean * each.count) ** 2, 0)
  return { mean, error: Math.sqrt(squares * (own.length / Math.max(1, own.length - 1))) / count }
}

console.log(machine())
const network = cachedNetwork(checkpoint)
const dataset = await cachedDataset(checkpoint, reference)
const inBlocks = new Set(
  network.layers.filter((layer) => layer.block !== null && optionsFor(layer).length > 1).map(({ name }) => name),
)
for (const bits of values.bits.split(',').map(Number)) {
  let first: Windows | null = null
  for (const text of cases) {
    const [head = '', ...rewritings] = text.split('+')
    const [method = '', list = ''] = head.split(':')
    const quantizer = quantizerOf({ method }, 'any')
    const own = (quantizer.prepare ?? []).map((use) => ({ ...use, seed: 0, file: null }))
    const named = rewritings
      .filter((id) => id !== 'none')
      .map((words) => {
        const [id = '', more = ''] = words.split(':')
        const { seed = 0, ...parameters } = parametersOf(more)
        return { method: id, parameters, seed: Number(seed), file: null }
      })
    const prepared = rewritings.length > 0 ? named : own
    const plain = rtnOption(bits, group === 0 ? null : group)
    const option = quantizer.twin?.(plain, quantizer.params.parse(parametersOf(list))) ?? plain
    const folder = mkdtempSync(join(tmpdir(), 'lathe-rsq-'))
    try {
      const began = performance.now()
      const artifacts: Artifact[] = []
      let state: string | null = null
      for (const [piece, { layers }] of pieces({ checkpoint, prepared }).pieces.entries()) {
        const chosen = layers.filter((name) => inBlocks.has(name)).map((name) => ({ name, option }))
        const made = await compressPiece(
          {
            ...{ checkpoint, prepared, piece, layers: chosen, data: reference, samples: Number(values.samples) },
            ...{ seed: 0, device: 'cpu', folder, state, importance: null },
          },
          context,
        )
        artifacts.push(...made.artifacts)
        state = made.state?.path ?? null
      }
      const changed = cachedNetwork(checkpoint, prepared)
      const windows = await likelihoods(changed, dataset, overridesOf(changed, artifacts))
      first ??= windows
      const { mean, error } = against(first, windows)
      const seconds = ((performance.now() - began) / 1000).toFixed(0)
      console.log(
        `${bits} bits ${text.padEnd(34)} perplexity ${Math.exp(meanOf(windows)).toFixed(4)}  ` +
          `${mean < 0 ? '' : '+'}${mean.toFixed(5)} ± ${error.toFixed(5)}  ${seconds} s`,
      )
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

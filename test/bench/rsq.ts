// RSQ against GPTQ as its paper compares them: the linear layers of the blocks alone, embedding and head as they are.
//   node test/bench/rsq.ts MODEL DATA [bits = 3,2] [group = 0: whole rows] [samples = 64] CASE ...
// CASE: gptq, rsq, gptq+rotate, with parameters as rsq:rMin=0.3,strategy=norm
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { compressPiece, pieces } from '../../src-main/engine/tasks/compress-piece.ts'
import { cachedDataset, cachedNetwork } from '../../src-main/engine/tasks/cache.ts'
import { evaluate } from '../../src-main/engine/tasks/evaluate.ts'
import type { Artifact } from '../../src-main/engine/protocol.ts'
import { optionsFor, quantizerOf, rtnOption } from '../../src-main/engine/quantize/options.ts'
import { machine } from './measure.ts'

const [model = '', data = '', widths = '3,2', group = '0', samples = '64', ...cases] = process.argv.slice(2)
const checkpoint = resolve(model)
const reference = { path: resolve(data), split: 'auto' as const }
const context = { progress: () => undefined, notify: () => undefined }
const value = (words: string): string | number | boolean =>
  words === 'true' || words === 'false' ? words === 'true' : Number.isFinite(Number(words)) ? Number(words) : words

const parametersOf = (list: string): Record<string, string | number | boolean> =>
  Object.fromEntries(
    list.split(',').flatMap((pair) => {
      const [key = '', words = ''] = pair.split('=')
      return key === '' ? [] : [[key, value(words)]]
    }),
  )

console.log(machine())
const network = cachedNetwork(checkpoint)
await cachedDataset(checkpoint, reference)
for (const bits of widths.split(',').map(Number)) {
  for (const text of cases) {
    const [head = '', ...rewritings] = text.split('+')
    const [method = '', list = ''] = head.split(':')
    const given = parametersOf(list)
    const quantizer = quantizerOf({ method }, 'any')
    const named =
      rewritings.length > 0
        ? rewritings.filter((id) => id !== 'none')
        : (quantizer.prepare ?? []).map((use) => use.method)
    const prepared = named.map((words) => {
      const [id = '', more = ''] = words.split(':')
      return { method: id, parameters: parametersOf(more), seed: 0, file: null }
    })
    const plain = rtnOption(bits, Number(group) === 0 ? null : Number(group))
    const option = quantizer.twin?.(plain, quantizer.params.parse(given)) ?? plain
    const inBlocks = new Set(
      network.layers.filter((layer) => layer.block !== null && optionsFor(layer).length > 1).map(({ name }) => name),
    )
    const folder = mkdtempSync(join(tmpdir(), 'lathe-rsq-'))
    try {
      const began = performance.now()
      const cut = pieces({ checkpoint, prepared }).pieces
      const artifacts: Artifact[] = []
      let state: string | null = null
      for (const [piece, { layers }] of cut.entries()) {
        const chosen = layers.filter((name) => inBlocks.has(name)).map((name) => ({ name, option }))
        const made = await compressPiece(
          {
            ...{ checkpoint, prepared, piece, layers: chosen, data: reference, samples: Number(samples) },
            ...{ seed: 0, device: 'cpu', folder, state, importance: null },
          },
          context,
        )
        artifacts.push(...made.artifacts)
        state = made.state?.path ?? null
      }
      const { metrics } = await evaluate(
        { checkpoint, prepared, data: reference, artifacts, against: null, part: 'evaluate', device: 'cpu' },
        context,
      )
      const seconds = ((performance.now() - began) / 1000).toFixed(0)
      console.log(
        `${bits} bits ${text.padEnd(28)} KL ${metrics.klDivergence?.value.toFixed(5)}  perplexity ${metrics.perplexity?.value.toFixed(4)}  ${seconds} s`,
      )
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

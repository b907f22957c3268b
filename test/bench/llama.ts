// Our GGUF files in llama.cpp: every type a weight can be written in, of three models, against Lathe's own evaluation of
// the weights it decodes from the same file. What differs is llama.cpp's arithmetic: its products round activations to
// 8 bits. Stated: next-token top-1 equal on >= 98 % of 2,000 positions, perplexity within 0.5 %, in the plain form of each type (the output matrix at least Q6_K, as llama.cpp's quantizer does).
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openNetwork } from '../../src-main/engine/checkpoint/open.ts'
import { openTokenizer } from '../../src-main/engine/data/text/tokenizer.ts'
import { ggmlTypes, writableTypes } from '../../src-main/engine/kernels/ggml/types.ts'
import { chooseTypes } from '../../src-main/engine/export/gguf/choose.ts'
import { layoutOf } from '../../src-main/engine/export/gguf/layout.ts'
import { convert } from '../../src-main/engine/tasks/convert.ts'
import { agreement } from '../engine/export/gguf/agreement.ts'
import { chain, randomQwen } from '../engine/export/gguf/models.ts'
import { endLlama } from '../helpers/llama.ts'
import { dataPath, hasData, skipReason } from '../helpers/data.ts'

const CONTEXT = 256
const WINDOWS = 16 // 4,080 positions
const quiet = { progress: () => undefined, notify: () => undefined }

/** As the models were trained: a begin token, then text. */
function textWindows(folder: string, begin: number): number[][] {
  const tokenizer = openTokenizer(join(folder, 'tokenizer.json'))
  const text = readFileSync(join(folder, 'valid.txt'), 'utf8').replaceAll('<|endoftext|>', '\n')
  const tokens = tokenizer.encode(text.slice(0, 60_000), 'valid.txt')
  return Array.from({ length: WINDOWS }, (_, i) => [begin, ...tokens.slice(i * (CONTEXT - 1), (i + 1) * (CONTEXT - 1))])
}

const randomWindows = (vocabulary: number): number[][] =>
  Array.from({ length: WINDOWS }, (_, i) => chain(vocabulary, CONTEXT, i))

/** What became of the types that were asked for, by how often. */
function written(path: string): string {
  const network = openNetwork(path)
  const counts = new Map<string, number>()
  for (const { tensor, type } of chooseTypes(network, layoutOf(network), { artifacts: [] }))
    if (tensor.free) counts.set(type, (counts.get(type) ?? 0) + 1)
  network.source.close()
  return [...counts].map(([type, count]) => `${count} ${type}`).join(', ')
}

export async function benchLlama(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lathe-llama-'))
  try {
    const qwen = randomQwen(join(folder, 'qwen'))
    const models = [
      ...(hasData ? ([['novels-5m', 0], ['stories260K', 1]] as const).map(([name, begin]) => ({ name, path: dataPath(name), windows: textWindows(dataPath(name), begin) })) : []),
      { name: 'random Qwen2', path: qwen.folder, windows: randomWindows(qwen.vocabulary) },
    ] // prettier-ignore
    if (!hasData) console.log(skipReason)
    for (const { name, path, windows } of models) {
      console.log(`\n${name}: ${windows.reduce((sum, { length }) => sum + length - 1, 0)} positions`)
      console.log(
        '| asked | written | bytes | same top-1 | activations rounded alike | perplexity llama.cpp | Lathe | apart |',
      )
      console.log('| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |')
      for (const type of writableTypes) {
        const file = join(folder, `${type}.gguf`)
        await convert({ checkpoint: path, format: 'gguf', parameters: { type }, path: file, overwrite: true, importance: null }, quiet) // prettier-ignore
        const { same, sameRounded, perplexity } = await agreement(file, windows)
        const apart = perplexity.llama / perplexity.lathe - 1
        const verdict = same >= 0.98 && Math.abs(apart) <= 0.005 ? '' : ' MISSED'
        console.log(
          `| ${type} (${ggmlTypes[type].blockSize}) | ${written(file)} | ${statSync(file).size} | ${(100 * same).toFixed(2)} % | ${(100 * sameRounded).toFixed(2)} % | ${perplexity.llama.toFixed(4)} | ${perplexity.lathe.toFixed(4)} | ${(100 * apart).toFixed(3)} %${verdict} |`,
        )
        rmSync(file)
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
    await endLlama()
  }
}

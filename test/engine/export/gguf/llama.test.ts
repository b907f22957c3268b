// llama.cpp loads what is written and expects the same next tokens as Lathe. All types, 2,000 positions and more: npm run
// bench llama.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openTokenizer } from '../../../../src-main/engine/data/text/tokenizer.ts'
import { convert } from '../../../../src-main/engine/tasks/convert.ts'
import { dataPath, hasData } from '../../../helpers/data.ts'
import { hasLlama } from '../../../helpers/llama.ts'
import { temporaryFolder } from '../../checkpoint/temporary.ts'
import { agreement } from './agreement.ts'
import { chain, randomQwen } from './models.ts'

const quiet = { progress: () => undefined, notify: () => undefined }

async function converted(checkpoint: string, type: string): Promise<string> {
  const path = join(temporaryFolder(), `${type}.gguf`)
  await convert({ checkpoint, format: 'gguf', parameters: { type }, path, overwrite: false, importance: null }, quiet)
  return path
}

const windowsOf = (name: string, windows: number, context: number): number[][] => {
  const text = readFileSync(dataPath(name, 'valid.txt'), 'utf8').slice(0, 12_000)
  const tokens = openTokenizer(dataPath(name, 'tokenizer.json')).encode(text, name)
  const begin = name === 'novels-5m' ? 0 : 1
  return Array.from({ length: windows }, (_, i) => [begin, ...tokens.slice(i * (context - 1), (i + 1) * (context - 1))])
}

describe.skipIf(!hasLlama)('llama.cpp agrees', () => {
  describe.skipIf(!hasData)('on trained models', () => {
    // Its products round activations to 8 bits: a few near ties turn out otherwise.
    test.each([
      ['novels-5m', 'F16', 0.995],
      ['novels-5m', 'Q8_0', 0.97],
      ['novels-5m', 'Q4_K', 0.96],
      ['stories260K', 'Q4_K', 0.96], // rows of 64 and 172: Q5_0, F16 and, for the tied embedding, Q8_0
      ['stories260K', 'Q2_K', 0.96],
    ])('%s as %s', async (name, type, least) => {
      const { same, sameRounded, perplexity, positions } = await agreement(await converted(dataPath(name), type), windowsOf(name, 4, 128)) // prettier-ignore
      expect(positions).toBe(508)
      expect(same).toBeGreaterThanOrEqual(least)
      expect(sameRounded).toBeGreaterThanOrEqual(0.97)
      expect(Math.abs(perplexity.llama / perplexity.lathe - 1)).toBeLessThan(0.01)
    })
  })

  test.each(['keep', 'BF16', 'Q5_K', 'Q3_K'])('on a random Qwen2 as %s', async (type) => {
    const { folder, vocabulary } = randomQwen(join(temporaryFolder(), 'qwen'))
    const { same, perplexity } = await agreement(await converted(folder, type), [chain(vocabulary, 200, 5)])
    expect(same).toBeGreaterThanOrEqual(type === 'keep' ? 1 : 0.96)
    expect(Math.abs(perplexity.llama / perplexity.lathe - 1)).toBeLessThan(type === 'keep' ? 1e-4 : 0.01)
  })
})

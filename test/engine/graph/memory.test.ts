import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { runningMemory } from '../../../src-main/engine/graph/memory.ts'

const resources = join(import.meta.dirname, '../../../resources/samples')

test('the cache of a language model is keys and values of every block at 16 bits', () => {
  const network = openNetwork(join(resources, 'language'))
  const config = (name: string) => Number(network.config?.get(name))
  // 6 blocks, 2 heads of keys and values, 32 wide
  expect(runningMemory(network)?.cachePerToken).toBe(2 * 6 * 2 * 32 * 2)
  // A prompt of 512 tokens in floats: four widths of the stream and two of the MLP for each token, and one row of logits.
  const [hidden, inner, words] = [config('hidden_size'), config('intermediate_size'), config('vocab_size')]
  expect(hidden * inner * words).toBeGreaterThan(0)
  expect(runningMemory(network)?.activations).toBe(4 * (512 * (4 * hidden + 2 * inner) + words))
  expect(runningMemory(network)?.attentionPerToken).toBe(4 * 512 * config('num_attention_heads'))
  network.source.close()
})

test('other networks tell nothing', () => {
  const network = openNetwork(join(resources, 'vision/model.onnx'))
  expect(runningMemory(network)).toBeNull()
  network.source.close()
})

import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { runningMemory } from '../../../src-main/engine/graph/memory.ts'

const resources = join(import.meta.dirname, '../../../resources/samples')

test('the cache of a language model is keys and values of every block at 16 bits', () => {
  const network = openNetwork(join(resources, 'language'))
  // 6 blocks, 2 heads of keys and values, 32 wide
  expect(runningMemory(network)?.cachePerToken).toBe(2 * 6 * 2 * 32 * 2)
  network.source.close()
})

test('other networks tell nothing', () => {
  const network = openNetwork(join(resources, 'vision/model.onnx'))
  expect(runningMemory(network)).toBeNull()
  network.source.close()
})

import { expect, test } from 'vitest'
import { joinSteps, levelEntropy, qvlm } from '../../../src-main/engine/score/qvlm.ts'
import { dependencyBlocks } from '../../../src-main/engine/score/search-blocks.ts'
import { measure, openModel, samples } from './models.ts'

test('worked out by hand: four levels, shares 1/2, 1/4, 0, 1/4', () => {
  // levels of 2 bits between 0 and 3: 0 0 1 3 -> counts 2 1 0 1 -> 1.5 bits
  expect(levelEntropy(Float32Array.of(0, 0, 1.2, 3), 2)).toBe(1.5)
  expect(levelEntropy(Float32Array.of(7, 7, 7), 8)).toBe(0)
})

test('steps join from the threshold on, no more than the depth, the first never', () => {
  // largest 4: from 3.6 on. Steps 1 and 2 join step 0, step 3 would be a fourth, step 5 joins step 4.
  // The network's own input, 9, does not count as the largest.
  expect(joinSteps([9, 3.6, 4, 4, 1, 3.9], 0.9, 3)).toEqual([0, 0, 0, 1, 2, 2])
  expect(joinSteps([0, 0, 0], 0.9, 3)).toEqual([0, 1, 2])
  expect(joinSteps([2, 2, 2], 1, 1)).toEqual([0, 1, 2])
})

test.each(samples)('search blocks of $name are its own layers, in order, none twice', async (model) => {
  const { result, network } = await measure(model, 'qvlm', {})
  const blocks = dependencyBlocks(result)
  const order = result.values.map(({ key }) => key)
  expect(blocks.length).toBeGreaterThan(0)
  expect(blocks.flat().map((name) => order.indexOf(name))).toEqual(
    blocks
      .flat()
      .map((name) => order.indexOf(name))
      .sort((a, b) => a - b),
  )
  expect(new Set(blocks.flat()).size).toBe(blocks.flat().length)
  const named = new Set(network.layers.filter(({ compressible }) => compressible).map(({ name }) => name))
  for (const name of order) expect(named.has(name), name).toBe(true)
  expect(result.notes?.[0]).toMatch(/^\d+ search blocks: /)
  for (const one of result.notes?.[0]?.split(': ')[1]?.slice(0, -1).split('; ') ?? [])
    expect(blocks.map((own) => own.join(', '))).toContain(one.replaceAll(' > ', ', '))
  const [map] = result.maps ?? []
  expect(map?.values.length).toBe((map?.rows.length ?? 0) * (map?.cols.length ?? 0))
  expect(dependencyBlocks({ ...result, method: 'lim' })).toEqual([])
})

test('search blocks of two layers and more are read off, layers without one and lone ones are not', () => {
  const at = (key: string, block?: number) => ({ key, value: 1, ...(block !== undefined && { parts: { 'search block': block } }) }) // prettier-ignore
  const values = [at('a', 4), at('x'), at('b', 4), at('c', 5), at('y')]
  expect(dependencyBlocks({ method: 'qvlm', values })).toEqual([['a', 'b']])
})

test('a checkpoint without a graph is refused', () => {
  const network = { ...openModel(samples[0]), graph: null }
  expect(() => qvlm.values(network, qvlm.params.parse({}))).toThrow('tensors only')
})

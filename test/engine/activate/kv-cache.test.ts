import { describe, expect, test } from 'vitest'
import { cacheSites } from '../../../src-main/engine/activate/cache-sites.ts'
import { kvCache } from '../../../src-main/engine/activate/kv-cache.ts'
import { betweenRef } from '../../../src-main/engine/activate/rounding.ref.ts'
import { weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import { hasData } from '../../helpers/data.ts'
import { residualNetwork } from '../score/network.ts'
import { floatsOf, lossOf, openReal, quiet, rounded, valuesOf } from './run.ts'

const heads = 'model.layers.1.self_attn'
const keys = { late: `${heads}.key.rotated`, early: `${heads}.key.heads`, values: `${heads}.value.heads` }

/** What the readers of a value of block 1 read now. */
function after(made: Network, value: string): string {
  const found = made.graph?.nodes.filter(({ outputs }) => outputs[0]?.startsWith(`${value}/kv-cache/`)).at(-1)
  return found?.outputs[0] ?? ''
}

/** Compares what is close to rounding ties apart. */
function expectClose(found: Float32Array, wanted: Float32Array): void {
  let off = 0
  found.forEach((value, at) => (off += Math.abs(value - (wanted[at] as number)) > 1e-5 ? 1 : 0))
  expect(off / found.length).toBeLessThan(0.001)
}

describe.skipIf(!hasData)('stories260K', () => {
  test.each([
    ['after', keys.late, 0],
    ['before', keys.early, 0],
    ['after', keys.late, 4],
  ] as const)('keys %s the rotation, each head of a token on its own grid', async (rotary, value, groupSize) => {
    const { network, dataset } = await openReal('stories260K')
    const made = await rounded(kvCache, network, { bits: 4, keys: 'token', rotary, groupSize })
    const found = await valuesOf(made, dataset, [value, after(made, value)], 1)
    const before = floatsOf(found[value])
    const size = groupSize || (found[value]?.dims.at(-1) ?? 0)
    const wanted = before.slice()
    for (let at = 0; at < wanted.length; at += size) wanted.set(betweenRef(before.subarray(at, at + size), 4), at)
    expectClose(floatsOf(found[after(made, value)]), wanted)
  })

  test('the first tokens stay as they are', async () => {
    const { network, dataset } = await openReal('stories260K')
    const made = await rounded(kvCache, network, { bits: 4, keys: 'token', rotary: 'after', sink: 3 })
    const found = await valuesOf(made, dataset, [keys.values, after(made, keys.values)], 1)
    const [, , time = 0, size = 0] = found[keys.values]?.dims ?? []
    const [before, now] = [floatsOf(found[keys.values]), floatsOf(found[after(made, keys.values)])]
    expect(now.subarray(0, 3 * size)).toEqual(before.subarray(0, 3 * size))
    expect(now.subarray(3 * size, time * size)).not.toEqual(before.subarray(3 * size, time * size))
  })

  test('calibrated keys: one grid for each feature of each head', async () => {
    const { network, dataset } = await openReal('stories260K')
    const made = await rounded(kvCache, network, { bits: 4, keys: 'channel', rotary: 'before' }, dataset, 4)
    const found = await valuesOf(made, dataset, [after(made, keys.early)], 2)
    const { dims = [] } = found[after(made, keys.early)] ?? {}
    const [batch = 0, heads = 0, time = 0, size = 0] = dims
    const now = floatsOf(found[after(made, keys.early)])
    for (const feature of [0, size * heads - 1]) {
      const levels = new Set<number>()
      const head = Math.floor(feature / size)
      for (let b = 0; b < batch; b++)
        for (let t = 0; t < time; t++)
          levels.add(now[((b * heads + head) * time + t) * size + (feature % size)] as number)
      expect(levels.size).toBeLessThanOrEqual(16)
    }
  })

  test('more bits are never worse, and eight cost next to nothing', async () => {
    const { network, dataset } = await openReal('stories260K')
    const losses: number[] = []
    for (const bits of [8, 4, 2])
      losses.push(await lossOf(network, await rounded(kvCache, network, { bits }, dataset, 4), dataset, 2))
    expect(losses[0]).toBeLessThan(0.001)
    expect(losses).toEqual([...losses].sort((a, b) => a - b))
  })

  test('a graph with a cache gives, token by token, what the whole window gives', async () => {
    const { network } = await openReal('stories260K')
    const made = await rounded(kvCache, network, { bits: 3, keys: 'token', rotary: 'after', sink: 1 })
    const cached = made.cached?.()
    if (!cached || !made.graph) throw new Error('no graph with a cache')
    const ids = [1, 403, 407, 261, 378, 300]
    const int64 = (values: number[]) => ({
      dtype: 'int64' as const,
      dims: [1, values.length],
      data: BigInt64Array.from(values, BigInt),
    })
    const whole = await openSession(made.graph, weightReader(made), { device: 'cpu', threads: 1 }, quiet.notify)
    const logits = floatsOf((await whole.run({ input_ids: int64(ids) }))['logits'])
    await whole.release()
    const reader = weightReader({ ...made, graph: cached })
    const session = await openSession(cached, reader, { device: 'cpu', threads: 1 }, quiet.notify)
    const vocabulary = network.head?.vocabulary ?? 0
    let past: Awaited<ReturnType<typeof session.run>> = {}
    for (const [place, id] of ids.entries()) {
      const state = cached.inputs
        .filter(({ name }) => name.startsWith('past'))
        .map(({ name, shape }) => {
          const known = past[name.replace('past_key_values', 'present')]
          const dims = [1, Number(shape?.[1]), 0, Number(shape?.[3])]
          return [name, known ?? { dtype: 'float32' as const, dims, data: new Float32Array() }] as const
        })
      const feeds = {
        input_ids: int64([id]),
        position_ids: int64([place]),
        attention_mask: int64(Array<number>(place + 1).fill(1)),
      }
      past = await session.run({ ...feeds, ...Object.fromEntries(state) })
      const now = floatsOf(past['logits'])
      const wanted = logits.subarray(place * vocabulary, (place + 1) * vocabulary)
      now.forEach((value, at) => expect(Math.abs(value - (wanted[at] as number))).toBeLessThan(2e-3))
    }
    await session.release()
  })

  test('what cannot be is refused by name', async () => {
    const { network } = await openReal('stories260K')
    const why = (parameters: object) => kvCache.refuses(network, parameters as never)
    expect(why({ groupSize: 3 })).toMatch(/groups of 3 do not divide the 8 features/)
    expect(why({})).toBeNull()
    const early = await rounded(kvCache, network, { rotary: 'before', sink: 2 })
    expect(early.cached).toBeUndefined()
  })

  test('images: keys and values of a vision transformer', async () => {
    const { network, dataset } = await openReal('vit-cifar10/vit_tiny_cifar10.onnx', 'vit-cifar10')
    expect(network.graph && cacheSites(network.graph, false)).toHaveLength(12)
    expect(await lossOf(network, await rounded(kvCache, network, {}, dataset, 32), dataset, 32)).toBeLessThan(1e-4)
  })
})

test('a network without attention', () => {
  expect(kvCache.refuses(residualNetwork(), {} as never)).toMatch(/no attention is recognised/)
})

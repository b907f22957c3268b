import { rmSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
import { weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import type { Graph } from '../../../src-main/engine/graph/ir.ts'
import { cutBefore, segment } from '../../../src-main/engine/graph/segment.ts'
import { flowOf } from '../../../src-main/engine/probe/flow.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import type { TensorValue } from '../../../src-main/engine/runtime/types.ts'
import { familyCases, writeGoldenFolder } from './golden.ts'
import { fail, largestDifference, openPath, whole } from './run.ts'

const chosen = [
  'gemma2',
  'gemma3',
  'phi3',
  'gpt2',
  'neox',
  'neox_sequential',
  'opt',
  'opt_after_projected',
  'qwen2_moe',
]

test.each(chosen)('%s: block by block gives the same as the whole', async (name) => {
  const golden = familyCases.find((each) => each.name === name) ?? fail(`no case ${name}`)
  const folder = writeGoldenFolder(golden)
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const network = openPath(folder)
  onTestFinished(() => network.source.close())
  const graph = network.graph ?? fail('no graph')
  const read = weightReader(network)
  const ids = whole(golden.ids)
  const run = async (part: Graph, feeds: Record<string, TensorValue>, output: string): Promise<TensorValue> => {
    const session = await openSession(part, read, { device: 'cpu', threads: 1 }, fail)
    try {
      return (await session.run(feeds))[output] ?? fail(`no ${output}`)
    } finally {
      await session.release()
    }
  }
  const flow = flowOf(network)
  const entry = flow[0]?.input ?? fail('no entry')
  let hidden = await run(segment(graph, { outputs: [entry] }), { input_ids: ids }, entry)
  for (const [index, block] of network.blocks.entries()) {
    const { input, output } = flow[index] ?? fail('no flow')
    if (input === null || output === null) throw new Error(`block ${index} has no single way in or out`)
    expect(cutBefore(graph, block)).toEqual([input])
    const part = segment(graph, { inputs: [input], outputs: [output] })
    const weights = [...part.initializers.values()].flatMap(({ data }) => ('source' in data ? [data.source] : []))
    expect(weights.sort()).toEqual([...block.layers].sort())
    hidden = await run(part, { input_ids: ids, [input]: hidden }, output)
  }
  const last = flow.at(-1)?.output ?? fail('no end')
  const logits = await run(
    segment(graph, { inputs: [last], outputs: ['logits'] }),
    { input_ids: ids, [last]: hidden },
    'logits',
  )
  expect(largestDifference(logits.data as Float32Array, golden.logits.flat())).toBeLessThan(5e-5)
})

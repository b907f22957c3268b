// Encoders with reference outputs, written as GGUF by the rules of "bert" and opened again: the same hidden states. llama.cpp
// keeps no pooler and no head, and numbers RoBERTa's positions from zero.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { bert } from '../../../src-main/engine/checkpoint/gguf/architectures/bert.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import type { TensorValue } from '../../../src-main/engine/runtime/types.ts'
import { ggufFile, type Value } from '../../helpers/gguf.ts'
import { temporaryFolder } from '../checkpoint/temporary.ts'
import { feedsOf, networkCases, runNetwork, writeCase, type NetworkCase } from '../families/golden-case.ts'
import { largestDifference } from '../families/run.ts'
import { applied } from './apply.ts'

const cases = networkCases('encoder')
const find = (name: string): NetworkCase => {
  const found = cases.find((golden) => golden.name === name)
  if (!found) throw new Error(`no case ${name}`)
  return found
}

function viaGguf(golden: NetworkCase, config: Record<string, unknown>, pairs: [string, Value][]) {
  const original = openNetwork(writeCase(golden, config))
  const path = join(temporaryFolder(), `${golden.name}.gguf`)
  const parts = applied(original, bert, /pooler|predictions|lm_head|vocab_/)
  writeFileSync(path, ggufFile({ ...parts, pairs: [...(parts.pairs ?? []), ...pairs] }))
  return { original, network: openNetwork(path) }
}

/** One row of tokens without padding, for whatever inputs a graph has. */
function feeds(network: { graph: { inputs: { name: string }[] } | null }, ids: number[]): Record<string, TensorValue> {
  const whole = (data: number[]): TensorValue => ({
    dtype: 'int64',
    dims: [1, ids.length],
    data: BigInt64Array.from(data, BigInt),
  })
  const values: Record<string, number[]> = {
    input_ids: ids,
    attention_mask: ids.map(() => 1),
    token_type_ids: ids.map(() => 0),
  }
  return Object.fromEntries((network.graph?.inputs ?? []).map(({ name }) => [name, whole(values[name] ?? [])]))
}
const ids = [3, 7, 11, 2, 5, 38, 9]

test.each([
  ['bert_features', {}, 'bert'],
  ['xlm_features', {}, 'bert'],
  ['distilbert_features', { activation: 'gelu' }, 'distilbert'],
])('%s', async (name, config, family) => {
  const { original, network } = viaGguf(find(name), config, [])
  expect(network).toMatchObject({ family, task: 'feature-extraction', notices: [] })
  const [own, other] = await Promise.all([original, network].map((each) => runNetwork(each, feeds(each, ids))))
  const states = (outputs: Record<string, TensorValue> | undefined) => outputs?.last_hidden_state?.data as Float32Array
  expect(states(own).length).toBe(ids.length * 32)
  expect(largestDifference(states(own), states(other))).toBeLessThan(1e-5)
  original.source.close()
  network.source.close()
})

test('the pooling of a file makes a sentence embedding', async () => {
  const golden = find('bert_sentence_mean')
  const { original, network } = viaGguf(golden, {}, [['bert.pooling_type', { u32: 1 }]])
  const wanted = (await runNetwork(original, feedsOf(golden))).sentence_embedding
  const found = (await runNetwork(network, feedsOf(golden))).sentence_embedding
  expect(wanted?.dims).toEqual(found?.dims)
  const unit = (values: ArrayLike<number>) => {
    const length = Math.hypot(...Array.from(values).slice(0, 32))
    return Array.from(values)
      .slice(0, 32)
      .map((x) => x / length)
  }
  expect(largestDifference(unit(wanted?.data as Float32Array), unit(found?.data as Float32Array))).toBeLessThan(1e-5)
  original.source.close()
  network.source.close()
})

test('classifiers are refused: llama.cpp would leave out a layer', () => {
  expect(() => viaGguf(find('bert_classes'), {}, [])).toThrow(/would leave out the layer between encoder and classes/)
})

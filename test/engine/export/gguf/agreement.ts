// How far llama.cpp and Lathe agree about a GGUF file: both compute the next-token distribution at every place of the same
// windows, Lathe from the weights it decodes itself out of the same file.
import { openNetwork } from '../../../../src-main/engine/checkpoint/open.ts'
import type { Network } from '../../../../src-main/engine/checkpoint/network.ts'
import { weightReader } from '../../../../src-main/engine/checkpoint/weights.ts'
import { openSession } from '../../../../src-main/engine/runtime/session.ts'
import { withRoundedActivations } from './rounded.ts'
import { type Expectation, openLlama } from '../../../helpers/llama.ts'

export interface Agreement {
  positions: number
  same: number // share of positions with the same most likely token
  /** The same with Lathe's activations rounded as llama.cpp rounds them. */
  sameRounded: number
  perplexity: { llama: number; lathe: number }
}

export async function latheExpectations(
  network: Network,
  windows: readonly (readonly number[])[],
  overrides: ReadonlyMap<string, Float32Array> = new Map(),
): Promise<Expectation[]> {
  const { graph } = network
  if (!graph) throw new Error(network.notices.join(' '))
  const session = await openSession(
    graph,
    weightReader(network, overrides),
    { device: 'cpu', threads: 1 },
    (notice) => {
      throw new Error(notice)
    },
  )
  try {
    const found: Expectation[] = []
    for (const window of windows) {
      const data = BigInt64Array.from(window, BigInt)
      const { logits } = await session.run({ input_ids: { dtype: 'int64', dims: [1, window.length], data } })
      const all = logits?.data as Float32Array
      const width = all.length / window.length
      for (let place = 0; place + 1 < window.length; place++)
        found.push(judge(all.subarray(place * width, (place + 1) * width), window[place + 1] as number))
    }
    return found
  } finally {
    await session.release()
  }
}

export function judge(logits: Float32Array, target: number): Expectation {
  let top = 0
  for (let i = 1; i < logits.length; i++) if ((logits[i] as number) > (logits[top] as number)) top = i
  const largest = logits[top] as number
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0)
  return { top, nll: largest + Math.log(sum) - (logits[target] as number) }
}

export async function agreement(path: string, windows: readonly (readonly number[])[]): Promise<Agreement> {
  const network = openNetwork(path)
  const llama = await openLlama(path, Math.max(...windows.map(({ length }) => length)))
  try {
    const lathe = await latheExpectations(network, windows)
    const theirs: Expectation[] = []
    for (const window of windows) theirs.push(...(await llama.expect(window)))
    const mean = (list: readonly Expectation[]) => list.reduce((sum, { nll }) => sum + nll, 0) / list.length
    const rounded = await latheExpectations(withRoundedActivations(network), windows)
    const share = (list: readonly Expectation[]) =>
      list.filter(({ top }, i) => top === theirs[i]?.top).length / list.length
    return {
      positions: lathe.length,
      same: share(lathe),
      sameRounded: share(rounded),
      perplexity: { llama: Math.exp(mean(theirs)), lathe: Math.exp(mean(lathe)) },
    }
  } finally {
    await llama.close()
    network.source.close()
  }
}

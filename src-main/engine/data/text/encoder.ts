// Text for encoders: special tokens stand around each window, and what is filled up is masked out. For a masked language
// model a part of the tokens is hidden, and they are what is predicted.
//   Devlin et al. 2019, "BERT", section 3.1: 15 % of the tokens, drawn at random. All of them become the mask token here:
//   the random and unchanged ones of training would only measure another thing.
import type { Network } from '../../checkpoint/network.ts'
import { shuffled } from '../random.ts'
import type { Batch } from '../types.ts'
import type { TextFeeds } from './feeds.ts'
import type { TextTokenizer } from './tokenizer.ts'
import type { Windows } from './windows.ts'

export interface Frame {
  before: number[] // special tokens
  after: number[]
  padding: number
  mask: number | null // hides what is predicted; null: nothing is
}

const hiddenShare = 0.15
const encoders = new Set<Network['task']>(['masked-lm', 'sequence-classification', 'feature-extraction'])
const first = (tokenizer: TextTokenizer, names: string[]): number | null =>
  names.map((name) => tokenizer.idOf(name)).find((id) => id !== null) ?? null

/** How windows become samples of an encoder; null for other networks. */
export function readFrame(network: Network, tokenizer: TextTokenizer, notices: string[]): Frame | null {
  const { task } = network
  if (!encoders.has(task)) return null
  const mask = task === 'masked-lm' ? first(tokenizer, ['[MASK]', '<mask>']) : null
  if (task === 'masked-lm' && mask === null)
    notices.push('The tokenizer has no mask token: all tokens are compared with the original, none is predicted.')
  return { ...tokenizer.around(), padding: first(tokenizer, ['[PAD]', '<pad>']) ?? 0, mask }
}

/** Places of a window that are hidden: the same each time. */
export function hiddenPlaces(length: number, sample: number): number[] {
  const count = Math.max(1, Math.round(hiddenShare * length))
  return shuffled(length, sample).slice(0, count)
}

/** One batch: inputs [rows, time]; targets are the hidden tokens, or null. */
export function makeEncoderBatch(data: Windows, samples: readonly number[], frame: Frame, feeds: TextFeeds): Batch {
  const { before, after, padding, mask } = frame
  const windows = samples.map((sample) => data.windows[sample] ?? { start: 0, length: 0 })
  const lengths = windows.map(({ length }) => before.length + length + after.length)
  const time = feeds.time ?? Math.max(...lengths)
  const rows = feeds.batch ?? samples.length
  const tokens = new BigInt64Array(rows * time).fill(BigInt(padding))
  const targets = mask === null ? null : new Int32Array(rows * time).fill(-1)
  for (const [row, { start, length }] of windows.entries()) {
    const stream = Array.from(data.tokens.subarray(start, start + length))
    const shown = [...before, ...stream, ...after]
    if (mask !== null && targets) {
      for (const place of hiddenPlaces(length, samples[row] ?? 0)) {
        targets[row * time + before.length + place] = stream[place] ?? -1
        shown[before.length + place] = mask
      }
    }
    tokens.set(shown.map(BigInt), row * time)
  }
  // Idle rows of a fixed batch attend to their padding: a row without any token would have nothing to average.
  const filled = Array.from({ length: rows }, (_, row) => lengths[row] ?? time)
  return { feeds: feeds.make(tokens, rows, time, filled), size: samples.length, targets }
}

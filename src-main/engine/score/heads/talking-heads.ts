// Composition of attention heads (Talking Heads): channels between layers, from the weights alone.
//   Merullo, Eickhoff and Pavlick 2024, "Talking Heads: Understanding Inter-layer Communication in Transformer Language
//   Models", section 3; Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"
//   W_OV = O V writes, W_QK = Q^T K reads;  CS(A, B) = |A B|_F / (|A|_F |B|_F)
//   by queries CS(W_QK^T, W_OV), by keys CS(W_QK, W_OV), by values CS(W_OV', W_OV); also with single singular components of W_OV
// Matrices of no relation have CS = 1 / sqrt(d) in the mean: values are given as multiples of that. Rotary positions and norms
// inside a head are left out (W_QK is that of equal positions); the gain of the norm before a layer is folded in.
// Value of a head: its strongest channel, to later heads or from earlier ones.
// Cost: 3 (heads x size)^2 d products for each pair of layers. Needs weights only (and a graph that tells where heads are).
import { z } from 'zod'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Network } from '../../checkpoint/network.ts'
import { defineScore, type Finding } from '../define.ts'
import { requireFinite } from '../hidden.ts'
import { type AttentionWeights, attentionWeights } from './circuits.ts'
import { compose, readingOf, type Reading, writtenBy, type Written } from './composition.ts'

const TITLE = 'Head composition (Talking Heads)'
const MOST_HEADS = 128 // of a map of heads; above, one of blocks
const MOST_KEPT_BYTES = 2 ** 30
const LISTED = 5

interface Channel {
  from: string
  to: string
  input: 'Q' | 'K' | 'V'
  score: number // times chance
  component: number
  index: number
}

async function writtenBySource(weights: AttentionWeights, network: Network): Promise<Written[]> {
  const written: Written[] = []
  for (let head = 0; head < weights.heads; head++) {
    const { o, v } = weights.head(head)
    for (const part of [o, v]) requireFinite(part, `the weights of head ${weights.key}/${head}`, TITLE, network)
    written.push(await writtenBy(o, v, weights.size, weights.width))
  }
  return written
}

async function readingsOf(weights: AttentionWeights, network: Network) {
  const readings: { head: number; input: Channel['input']; reading: Reading }[] = []
  const { size, width } = weights
  for (let head = 0; head < weights.heads; head++) {
    const { o, v, q, k } = weights.head(head)
    for (const part of [q, k])
      if (part) requireFinite(part, `the weights of head ${weights.key}/${head}`, TITLE, network)
    if (q && k) {
      readings.push({ head, input: 'Q', reading: await readingOf(k, q, size, width) })
      readings.push({ head, input: 'K', reading: await readingOf(q, k, size, width) })
    }
    readings.push({ head, input: 'V', reading: await readingOf(o, v, size, width) })
  }
  return readings
}

export const talkingHeads = defineScore({
  id: 'talking-heads',
  title: TITLE,
  summary: 'Which attention heads pass on what earlier ones wrote: heads with strong channels matter to others.',
  cite: 'Merullo, Eickhoff and Pavlick 2024, Talking Heads: Understanding Inter-layer Communication in Transformer Language Models, section 3',
  formula:
    'CS(A, B) = |A B| / (|A| |B|) of one head’s QK or OV matrix with an earlier one’s OV matrix, over 1 / sqrt(d)',
  cost: 'products of all pairs of layers’ heads',
  needs: ['weights'],
  version: 1,
  params: z.object({}),
  per: () => 'head',
  values: () => [],
  start: (network) => ({
    see: () => undefined,
    async finish({ context }) {
      const { width, attentions } = attentionWeights(network)
      if (attentions.length < 2)
        throw new Fault('unsupported', `${TITLE}: ${network.name} has fewer than two attentions on one stream.`, {
          hint: 'This score is for transformers that are opened with their graph.',
          data: { file: network.path },
        })
      const chance = 1 / Math.sqrt(width)
      const all = attentions.map((open) => open())
      const names = all.flatMap(({ key, heads }) => Array.from({ length: heads }, (_, head) => `${key}/${head}`))
      const kept = new Map<number, Written[]>()
      const keeps = all.reduce((sum, { heads, size }) => sum + heads * size * width * 4, 0) <= MOST_KEPT_BYTES
      const channels = new Channels(names)
      for (const [to, reader] of all.entries()) {
        context.progress({ fraction: to / all.length, step: `block ${reader.key}` })
        const readings = to === 0 ? [] : await readingsOf(reader, network)
        for (let from = 0; from < to; from++) {
          const source = all[from]
          if (!source) continue
          const written = kept.get(from) ?? (await writtenBySource(source, network))
          if (keeps) kept.set(from, written)
          const found = await compose(
            readings.map(({ reading }) => reading),
            written,
            width,
          )
          readings.forEach(({ head, input }, r) =>
            found[r]?.forEach(({ score, component, index }, w) =>
              channels.add({
                from: `${source.key}/${w}`,
                to: `${reader.key}/${head}`,
                input,
                score: score / chance,
                component: component / chance,
                index,
              }),
            ),
          )
        }
      }
      return channels.finding()
    },
  }),
})

/** What is kept of all channels: of a large network they are millions. */
class Channels {
  readonly #best: Map<string, { Q: number; K: number; V: number; writes: number; component: number }>
  readonly #labels: string[]
  readonly #place: Map<string, number>
  readonly #map: number[]
  readonly #single: boolean
  #strongest: Channel[] = []
  #component: Channel | null = null
  #onlyValues = true

  constructor(names: readonly string[]) {
    this.#best = new Map(names.map((name) => [name, { Q: 0, K: 0, V: 0, writes: 0, component: 0 }]))
    this.#single = names.length <= MOST_HEADS
    this.#labels = this.#single ? [...names] : [...new Set(names.map(blockOf))]
    this.#place = new Map(this.#labels.map((label, index) => [label, index]))
    this.#map = new Array<number>(this.#labels.length ** 2).fill(0)
  }

  add(channel: Channel): void {
    const { from, to, input, score, component } = channel
    const [source, target] = [this.#best.get(from), this.#best.get(to)]
    if (source) source.writes = Math.max(source.writes, score)
    if (source) source.component = Math.max(source.component, component)
    if (target) target[input] = Math.max(target[input], score)
    const [row = 0, col = 0] = [from, to].map((name) => this.#place.get(this.#single ? name : blockOf(name)))
    const at = row * this.#labels.length + col
    this.#map[at] = Math.max(this.#map[at] ?? 0, score)
    if (this.#strongest.length < LISTED || score > (this.#strongest.at(-1)?.score ?? 0))
      this.#strongest = [...this.#strongest, channel].sort((a, b) => b.score - a.score).slice(0, LISTED)
    if (component > (this.#component?.component ?? 0)) this.#component = channel
    if (input !== 'V') this.#onlyValues = false
  }

  finding(): Finding {
    const values = [...this.#best].map(([key, { Q, K, V, writes, component }]) => ({
      key,
      value: Math.max(Q, K, V, writes),
      parts: { 'reads by Q': Q, 'reads by K': K, 'reads by V': V, 'is read': writes, 'strongest component': component },
    }))
    const title = `Strongest channel from ${this.#single ? 'heads' : 'blocks'} (rows) to later ones (columns), times chance`
    const told = this.#strongest.map(
      ({ from, to, input, score }) => `${from} > ${to} by ${input} (${score.toFixed(1)})`,
    )
    const notes = [`Strongest channels (block/head), times chance: ${told.join(', ')}.`]
    if (this.#component) {
      const { from, to, input, index, component } = this.#component
      const size = `${component.toFixed(1)} times chance`
      notes.push(`Strongest single component: number ${index + 1} of ${from}, read by ${to} (${input}, ${size}).`)
    }
    if (this.#onlyValues) notes.push('Query and key weights were not found in the graph: only composition by values.')
    return { values, maps: [{ title, rows: this.#labels, cols: this.#labels, values: this.#map }], notes }
  }
}

const blockOf = (name: string) => name.slice(0, name.indexOf('/'))

// What depends on positions only: rotations and attention masks, computed inside the graph, so that the file does not
// grow with the context length.
import { int } from '../ir.ts'
import type { GraphBuilder } from './builder.ts'
import type { Rope } from './rope.ts'

/** cos and sin of position x frequency, each [..., time, pairs]; both halves of a head turn by the same angles. */
export interface Rotation {
  cos: string
  sin: string
}

/** What the blocks ask of their surroundings: a whole window of tokens (here), or new tokens behind a cache (cached.ts). */
export interface Frame {
  shape: string // int64 [2]: batch, time
  /** int64 positions of all tokens, [batch * time]. */
  positions(): string
  /** For queries and for keys. `late`: keys are kept unturned and are turned when they are used. */
  rotation(rope: Rope): { query: Rotation; key: Rotation; late: boolean }
  /** What is added to the scores. `window`: tokens that one may look back on, itself included; null = all. */
  mask(window: number | null): string
  /** Keys and values [batch, heads, time, size] of a block, behind the earlier ones. */
  recall(block: number, key: string, value: string): { key: string; value: string }
}

/** Makes each thing once. */
export function remembered<Key, Value>(make: (key: Key) => Value): (key: Key) => Value {
  const known = new Map<Key, Value>()
  return (key) => {
    const value = known.get(key) ?? make(key)
    known.set(key, value)
    return value
  }
}

export const allTokens = (b: GraphBuilder): string => b.once('all_tokens', (name) => b.integers(name, [-1]))

/** Whole windows: positions follow from the shape of `input_ids` alone. */
export function windowFrame(b: GraphBuilder): Frame {
  const shape = b.op('Shape', ['input_ids'], 'batch_time')
  const length = b.op('Gather', [shape, b.integers('time_index', [1], [])], 'time_length', { axis: int(0) })
  const time = b.op('Cast', [length], 'time', { to: int(1) })
  const range = b.op('Range', [b.floats('zero', [0], []), time, b.floats('one', [1], [])], 'positions')
  const column = b.op('Unsqueeze', [range, b.integers('column_axis', [1])], 'positions.column')
  const row = b.op('Unsqueeze', [range, b.integers('row_axis', [0])], 'positions.row')
  const rotation = remembered((rope: Rope) => buildRotation(b, rope, 'rotation', { column, longest: time }))
  return {
    shape,
    positions: () =>
      b.once('token_positions', (name) => {
        const whole = b.op('Cast', [range], 'positions.whole', { to: int(7) })
        return b.op('Reshape', [b.op('Expand', [whole, shape], 'positions.spread'), allTokens(b)], name)
      }),
    rotation: (rope) => ({ query: rotation(rope), key: rotation(rope), late: false }),
    mask: remembered((window) => {
      const name = maskName(window)
      return buildMask(b, name, outside(b, name, { column, row, window }))
    }),
    recall: (_, key, value) => ({ key, value }),
  }
}

interface Turning {
  column: string // float32 positions, [..., time, 1]
  longest: string // float32: tokens of the text, one number or one for each row [batch, 1, 1, 1]
}

export function buildRotation(b: GraphBuilder, rope: Rope, label: string, turning: Turning): Rotation {
  const name = rope.name === '' ? label : `${label}.${rope.name}`
  const frequencies = b.once(`rotation.used.${rope.name}`, () => buildFrequencies(b, rope, turning.longest))
  const angles = b.op('Mul', [turning.column, frequencies], `${name}.angles`)
  const scaled = (wave: string) => {
    if (rope.attentionFactor === 1) return wave
    return b.op('Mul', [wave, b.scalar('rotation.factor', rope.attentionFactor)], `${wave}.scaled`)
  }
  return { cos: scaled(b.op('Cos', [angles], `${name}.cos`)), sin: scaled(b.op('Sin', [angles], `${name}.sin`)) }
}

function buildFrequencies(b: GraphBuilder, rope: Rope, longest: string): string {
  const name = rope.name === '' ? 'rotation' : `rotation.${rope.name}`
  const pairs = rope.frequencies.length
  const plain = () => b.floats(`${name}.frequencies`, rope.frequencies, [1, pairs])
  if (rope.beyond) {
    const limit = b.floats(`${name}.length`, [rope.beyond.length], [])
    const isLong = b.op('Greater', [longest, limit], `${name}.long`)
    const far = b.floats(`${name}.frequencies.long`, rope.beyond.frequencies, [1, pairs])
    return b.op('Where', [isLong, far, plain()], `${name}.chosen`)
  }
  if (!rope.dynamic) return plain()
  // theta'^(-2i/d) = theta^(-2i/d) * growth^(-2i/(d - 2)),  growth = s max(T, L) / L - (s - 1)
  const { length, factor } = rope.dynamic
  const window = b.op('Max', [longest, b.floats(`${name}.length`, [length], [])], `${name}.window`)
  const stretched = b.op('Mul', [window, b.floats(`${name}.stretch`, [factor / length], [])], `${name}.stretched`)
  const growth = b.op('Sub', [stretched, b.floats(`${name}.offset`, [factor - 1], [])], `${name}.growth`)
  const exponents = Array.from({ length: pairs }, (_, i) => (-2 * i) / (2 * pairs - 2))
  const grown = b.op('Pow', [growth, b.floats(`${name}.exponents`, exponents, [1, pairs])], `${name}.grown`)
  return b.op('Mul', [plain(), grown], `${name}.dynamic`)
}

export const maskName = (window: number | null): string => (window === null ? 'mask' : `mask.${window}`)

interface Sight {
  column: string // float32 positions of the queries, [time, 1]
  row: string // of the keys, [1, total]
  window: number | null
}

/**
 * Where query i may not see key j, [time, total]. Causal: j > i. With a window w also i - j >= w: a token sees w tokens,
 * itself included (Jiang et al. 2023, "Mistral 7B", section 2).
 */
export function outside(b: GraphBuilder, name: string, { column, row, window }: Sight): string {
  const ahead = b.once('mask.ahead', (ahead) => b.op('Greater', [row, column], ahead))
  if (window === null) return ahead
  const distance = b.once('mask.distance', (distance) => b.op('Sub', [column, row], distance))
  const behind = b.op('GreaterOrEqual', [distance, b.floats(`${name}.window`, [window], [])], `${name}.behind`)
  return b.op('Or', [ahead, behind], `${name}.outside`)
}

const hidden = -1e9 // far below any score, and finite: every provider subtracts it the same way

/** What is added to the scores: -1e9 where `isHidden`, 0 elsewhere. */
export const buildMask = (b: GraphBuilder, name: string, isHidden: string): string =>
  b.op('Where', [isHidden, b.scalar('mask.hidden', hidden), b.scalar('mask.visible', 0)], name)

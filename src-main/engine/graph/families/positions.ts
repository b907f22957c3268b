// What depends on positions only: rotations and attention masks, computed from the number of tokens inside the graph, so
// that the file does not grow with the context length.
import { int } from '../ir.ts'
import type { GraphBuilder } from './builder.ts'
import type { Rope } from './rope.ts'

export interface Positions {
  shape: string // [2]: batch, time
  time: string // scalar float32: number of tokens in a window
  column: string // [time, 1] 0 .. time - 1
  row: string // [1, time]
}

/** Positions of the tokens, from the shape of `input_ids`. */
export function positionsOf(b: GraphBuilder): Positions {
  const shape = b.op('Shape', ['input_ids'], 'batch_time')
  const length = b.op('Gather', [shape, b.integers('time_index', [1], [])], 'time_length', { axis: int(0) })
  const time = b.op('Cast', [length], 'time', { to: int(1) })
  const range = b.op('Range', [b.floats('zero', [0], []), time, b.floats('one', [1], [])], 'positions')
  return {
    shape,
    time,
    column: b.op('Unsqueeze', [range, b.integers('column_axis', [1])], 'positions.column'),
    row: b.op('Unsqueeze', [range, b.integers('row_axis', [0])], 'positions.row'),
  }
}

/** cos and sin of position x frequency, each [time, d / 2]; both halves of a head turn by the same angles. */
export function buildRotation(b: GraphBuilder, positions: Positions, rope: Rope): { cos: string; sin: string } {
  const angles = b.op('Mul', [positions.column, frequencies(b, positions, rope)], 'rotation.angles')
  const scaled = (wave: string) => {
    if (rope.attentionFactor === 1) return wave
    return b.op('Mul', [wave, b.floats('rotation.factor', [rope.attentionFactor], [])], `${wave}.scaled`)
  }
  return {
    cos: scaled(b.op('Cos', [angles], 'rotation.cos')),
    sin: scaled(b.op('Sin', [angles], 'rotation.sin')),
  }
}

function frequencies(b: GraphBuilder, positions: Positions, rope: Rope): string {
  const pairs = rope.frequencies.length
  const plain = () => b.floats('rotation.frequencies', rope.frequencies, [1, pairs])
  if (rope.beyond) {
    const isLong = b.op(
      'Greater',
      [positions.time, b.floats('rotation.length', [rope.beyond.length], [])],
      'rotation.long',
    )
    const far = b.floats('rotation.frequencies.long', rope.beyond.frequencies, [1, pairs])
    return b.op('Where', [isLong, far, plain()], 'rotation.chosen')
  }
  if (!rope.dynamic) return plain()
  // theta'^(-2i/d) = theta^(-2i/d) * growth^(-2i/(d - 2)),  growth = s max(T, L) / L - (s - 1)
  const { length, factor } = rope.dynamic
  const window = b.op('Max', [positions.time, b.floats('rotation.length', [length], [])], 'rotation.window')
  const stretched = b.op('Mul', [window, b.floats('rotation.stretch', [factor / length], [])], 'rotation.stretched')
  const growth = b.op('Sub', [stretched, b.floats('rotation.offset', [factor - 1], [])], 'rotation.growth')
  const exponents = Array.from({ length: pairs }, (_, i) => (-2 * i) / (2 * pairs - 2))
  const grown = b.op('Pow', [growth, b.floats('rotation.exponents', exponents, [1, pairs])], 'rotation.grown')
  return b.op('Mul', [plain(), grown], 'rotation.dynamic')
}

const hidden = -1e9 // far below any score, and finite: every provider subtracts it the same way

/**
 * What is added to the scores, [time, time]: 0 where query i may see key j, -1e9 elsewhere. Causal: j <= i. With a
 * window w also i - j < w: a token sees w tokens, itself included (Jiang et al. 2023, "Mistral 7B", section 2).
 */
export function buildMask(b: GraphBuilder, positions: Positions, window: number | null): string {
  const name = window === null ? 'mask' : `mask.${window}`
  const ahead = b.op('Greater', [positions.row, positions.column], `${name}.ahead`)
  const scalar = (label: string, value: number) => b.floats(`mask.${label}`, [value], [])
  const choose = (condition: string) => b.op('Where', [condition, scalar('hidden', hidden), scalar('visible', 0)], name)
  if (window === null) return choose(ahead)
  const distance = b.op('Sub', [positions.column, positions.row], `${name}.distance`)
  const limit = b.floats(`${name}.window`, [window], [])
  const behind = b.op('GreaterOrEqual', [distance, limit], `${name}.behind`)
  return choose(b.op('Or', [ahead, behind], `${name}.outside`))
}

// Windows of Swin. Liu et al. 2021, "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", section 3.2
// and figure 4: attention within windows of w x w tokens; every second block shifts them by w / 2, cyclically, and a mask
// keeps apart what is not adjacent in the image. To the scores is added a learned bias for each distance (eq. 4).
import { int, ints } from '../ir.ts'
import { rowsOf } from './attend.ts'
import type { GraphBuilder } from './builder.ts'

export interface Windows {
  height: number // of the map of tokens
  width: number
  size: number // of a window
  shift: number // 0: none
  channels: number
}

const padded = (side: number, size: number): number => Math.ceil(side / size) * size

/** Windows of one image. */
export const windowCount = ({ height, width, size }: Windows): number =>
  (padded(height, size) / size) * (padded(width, size) / size)

/** Rows [batch * height * width, channels] as rows of windows, [batch * windows * size^2, channels]. */
export function enterWindows(b: GraphBuilder, windows: Windows, rows: string, module: string): string {
  const { height, width, size, channels } = windows
  const [tall, wide] = [padded(height, size), padded(width, size)]
  let map = b.op('Reshape', [rows, mapShape(b, height, width, channels)], `${module}.map`)
  if (tall > height || wide > width) {
    const pads = b.integers(`${module}.pads`, [0, 0, 0, 0, 0, tall - height, wide - width, 0])
    map = b.op('Pad', [map, pads, b.scalar('padding', 0)], `${module}.padded`)
  }
  map = roll(b, map, windows.shift, [tall, wide], `${module}.shifted`)
  const grid = b.integers(`${module}.grid`, [-1, tall / size, size, wide / size, size, channels])
  const cut = b.op('Transpose', [b.op('Reshape', [map, grid], `${module}.cut`)], `${module}.turned`, {
    perm: ints([0, 1, 3, 2, 4, 5]),
  })
  return b.op('Reshape', [cut, rowsOf(b, channels)], `${module}.rows`)
}

/** The way back. */
export function leaveWindows(b: GraphBuilder, windows: Windows, rows: string, module: string): string {
  const { height, width, size, channels, shift } = windows
  const [tall, wide] = [padded(height, size), padded(width, size)]
  const grid = b.integers(`${module}.back_grid`, [-1, tall / size, wide / size, size, size, channels])
  const cut = b.op('Reshape', [rows, grid], `${module}.back_cut`)
  const turned = b.op('Transpose', [cut], `${module}.back_turned`, { perm: ints([0, 1, 3, 2, 4, 5]) })
  const whole = b.op('Reshape', [turned, mapShape(b, tall, wide, channels)], `${module}.back_map`)
  let map = roll(b, whole, shift === 0 ? 0 : -shift, [tall, wide], `${module}.unshifted`)
  if (tall > height || wide > width) {
    const [from, to] = [b.integers(`${module}.from`, [0, 0]), b.integers(`${module}.to`, [height, width])]
    map = b.op('Slice', [map, from, to, b.integers(`${module}.axes`, [1, 2])], `${module}.cropped`)
  }
  return b.op('Reshape', [map, rowsOf(b, channels)], `${module}.back`)
}

const mapShape = (b: GraphBuilder, height: number, width: number, channels: number): string =>
  b.once(`map.${height}.${width}.${channels}`, (name) => b.integers(name, [-1, height, width, channels]))

/** Moves a map [batch, height, width, channels] up and left by `shift`, what leaves coming in at the other end. */
function roll(b: GraphBuilder, map: string, shift: number, sides: [number, number], module: string): string {
  if (shift === 0) return map
  const limits = (value: number) => b.once(`limit.${value}`, (name) => b.integers(name, [value]))
  return sides.reduce((value, side, index) => {
    const at = (side + shift) % side
    const name = `${module}.${index === 0 ? 'up' : 'left'}`
    const part = (from: number, to: number, label: string) =>
      b.op('Slice', [value, limits(from), limits(to), limits(index + 1)], `${name}.${label}`)
    return b.op('Concat', [part(at, side, 'first'), part(0, at, 'second')], name, { axis: int(index + 1) })
  }, map)
}

/** The bias of every pair of tokens in a window, [heads, size^2, size^2]: entry (dy + w - 1)(2w - 1) + dx + w - 1 of the
 *  table [(2w - 1)^2, heads], d the place of the query less that of the key. */
export function buildPositionBias(b: GraphBuilder, table: string, size: number, module: string): string {
  const span = 2 * size - 1
  const places = Array.from({ length: size * size }, (_, i) => [Math.floor(i / size), i % size] as const)
  const pairs = () => places.flatMap(([y, x]) => places.map(([v, u]) => (y - v + size - 1) * span + (x - u + size - 1)))
  const index = b.once(`window_pairs.${size}`, (name) => b.integers(name, pairs(), [size * size, size * size]))
  const bias = b.op('Gather', [table, index], `${module}.bias.pairs`, { axis: int(0) })
  return b.op('Transpose', [bias], `${module}.bias`, { perm: ints([2, 0, 1]) })
}

/** What is added to scores [batch, windows, heads, size^2, size^2] of shifted windows: -100 between tokens of different
 *  regions of the shifted map, as in the authors' code. */
export function buildShiftMask(b: GraphBuilder, windows: Windows): string {
  const { height, width, size, shift } = windows
  return b.once(`window_mask.${height}.${width}.${size}.${shift}`, (name) => {
    const [tall, wide] = [padded(height, size), padded(width, size)]
    const band = (at: number, side: number) => (at < side - size ? 0 : at < side - shift ? 1 : 2)
    const regions: number[] = []
    for (let top = 0; top < tall; top += size)
      for (let left = 0; left < wide; left += size)
        for (let i = 0; i < size * size; i++)
          regions.push(3 * band(top + Math.floor(i / size), tall) + band(left + (i % size), wide))
    const count = windowCount(windows)
    const own = b.integers(`${name}.queries`, regions, [count, 1, size * size, 1])
    const other = b.op('Reshape', [own, b.integers(`${name}.turned`, [count, 1, 1, size * size])], `${name}.keys`)
    const same = b.op('Equal', [own, other], `${name}.same`)
    return b.op('Where', [same, b.scalar('window.visible', 0), b.scalar('window.hidden', -100)], name)
  })
}

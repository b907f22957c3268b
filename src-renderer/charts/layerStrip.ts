import type { ChartTheme } from './theme.ts'

/** One layer as the strip draws it; null where its block is left out. */
export interface StripLayer {
  bits: number
  isKept: boolean
  sparsity: number
  rankShare: number
  isLocked: boolean
}

export interface StripBar {
  left: number
  width: number
  top: number
  height: number
  kind: 'coded' | 'kept' | 'removed'
  /** Share of the height that is hatched, from the bottom: zeros. */
  hatch: number
  /** Where the notch of a lower rank is cut, in pixels from the strip's top; null at full rank. */
  notch: number | null
  isLocked: boolean
}

const MOST_BITS = 9 // wider codes reach the top

/** Columns of equal width over the strip, bits as height. At few pixels a layer, gaps between them are left out. */
export function stripBars(layers: readonly (StripLayer | null)[], width: number, height: number): StripBar[] {
  const pitch = layers.length === 0 ? 0 : width / layers.length
  const gap = pitch >= 6 ? 2 : pitch >= 3 ? 1 : 0
  return layers.map((layer, i) => {
    const [left, wide] = [i * pitch, Math.max(0.5, pitch - gap)]
    if (layer === null)
      return { left, width: wide, top: height - 2, height: 2, kind: 'removed', hatch: 0, notch: null, isLocked: false }
    const tall = Math.max(2, height * Math.min(1, layer.isKept ? 1 : layer.bits / MOST_BITS))
    const top = height - tall
    return {
      left,
      width: wide,
      top,
      height: tall,
      kind: layer.isKept ? 'kept' : 'coded',
      isLocked: layer.isLocked,
      hatch: layer.sparsity,
      notch: layer.rankShare < 1 ? top + tall * (1 - layer.rankShare) : null,
    }
  })
}

/** Draws the bars as rectangles on whole pixels: a browser without a graphics card fills hundreds of those in a frame, and no
 *  path of as many. `scale`: device pixels a unit. */
export function drawStrip(
  context: CanvasRenderingContext2D,
  bars: readonly StripBar[],
  theme: ChartTheme,
  chosen: number,
  { width, height, scale }: { width: number; height: number; scale: number },
): void {
  context.setTransform(1, 0, 0, 1, 0, 0)
  context.globalAlpha = 1
  const fill = (left: number, top: number, right: number, bottom: number): void => {
    const [x, y] = [Math.round(left * scale), Math.round(top * scale)]
    context.fillRect(x, y, Math.max(1, Math.round(right * scale) - x), Math.max(1, Math.round(bottom * scale) - y))
  }
  context.clearRect(0, 0, Math.ceil(width * scale), Math.ceil(height * scale))
  const marked = bars[chosen]
  if (marked) {
    context.fillStyle = theme.accentSoft
    fill(marked.left - 2, 0, marked.left + marked.width + 2, height)
  }
  const looks = [
    { color: theme.accent, alpha: 0.78, of: ({ kind, isLocked }: StripBar) => kind === 'coded' && !isLocked },
    { color: theme.accent, alpha: 1, of: ({ kind, isLocked }: StripBar) => kind === 'coded' && isLocked },
    { color: theme.ink3, alpha: 0.45, of: ({ kind }: StripBar) => kind === 'kept' },
    { color: theme.line, alpha: 1, of: ({ kind }: StripBar) => kind === 'removed' },
  ]
  for (const { color, alpha, of } of looks) {
    context.fillStyle = color
    context.globalAlpha = alpha
    for (const bar of bars) if (of(bar)) fill(bar.left, bar.top, bar.left + bar.width, bar.top + bar.height)
  }
  context.globalAlpha = 1
  context.fillStyle = theme.surface
  for (const bar of bars) {
    const [right, foot] = [bar.left + bar.width, bar.top + bar.height]
    // Zeros: the lower part, as much of it as is zero, is ruled through.
    const ruled = bar.hatch > 0 ? foot - bar.height * bar.hatch : foot
    for (let y = foot - 3; y > ruled; y -= 4) fill(bar.left, y, right, y + 1.5)
    // A lower rank: a notch in the right side, as far down as rank was taken away.
    if (bar.notch !== null) fill(right - Math.min(6, bar.width / 2), bar.notch - 2, right, bar.notch + 2)
  }
}

/** The layer under a place, -1 outside. */
export const stripIndexAt = (x: number, width: number, layers: number): number =>
  x < 0 || x >= width || layers === 0 ? -1 : Math.floor((x / width) * layers)

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
    const left = i * pitch
    const common = { left, width: Math.max(0.5, pitch - gap) }
    if (layer === null)
      return { ...common, top: height - 2, height: 2, kind: 'removed', hatch: 0, notch: null, isLocked: false }
    const tall = Math.max(2, height * Math.min(1, layer.isKept ? 1 : layer.bits / MOST_BITS))
    const top = height - tall
    return {
      ...{ ...common, top, height: tall, kind: layer.isKept ? 'kept' : 'coded', isLocked: layer.isLocked },
      hatch: layer.sparsity,
      notch: layer.rankShare < 1 ? top + tall * (1 - layer.rankShare) : null,
    }
  })
}

/** Draws the bars; a handful of fills for hundreds of layers, so that it fits into a frame many times over. */
export function drawStrip(
  context: CanvasRenderingContext2D,
  bars: readonly StripBar[],
  theme: ChartTheme,
  chosen: number,
  size: { width: number; height: number },
): void {
  context.clearRect(0, 0, size.width, size.height)
  const chosenBar = bars[chosen]
  if (chosenBar) {
    context.fillStyle = theme.accentSoft
    context.fillRect(chosenBar.left - 2, 0, chosenBar.width + 4, size.height)
  }
  const fill = (color: string, of: (bar: StripBar) => boolean, alpha = 1): void => {
    context.fillStyle = color
    context.globalAlpha = alpha
    context.beginPath()
    for (const bar of bars) if (of(bar)) context.rect(bar.left, bar.top, bar.width, bar.height)
    context.fill()
    context.globalAlpha = 1
  }
  fill(theme.accent, ({ kind, isLocked }) => kind === 'coded' && !isLocked, 0.78)
  fill(theme.accent, ({ kind, isLocked }) => kind === 'coded' && isLocked)
  fill(theme.ink3, ({ kind }) => kind === 'kept', 0.45)
  fill(theme.line, ({ kind }) => kind === 'removed')

  // Zeros: the lower part, as much of it as is zero, is ruled through with the colour of the card.
  context.strokeStyle = theme.surface
  context.lineWidth = 1.2
  context.beginPath()
  for (const { left, width, top, height, hatch } of bars) {
    if (!(hatch > 0)) continue
    for (let y = top + height - 2; y > top + height * (1 - hatch); y -= 4) {
      context.moveTo(left, y)
      context.lineTo(left + width, y - Math.min(3, width))
    }
  }
  context.stroke()
  // A lower rank: a wedge cut out of the right side.
  context.fillStyle = theme.surface
  context.beginPath()
  for (const { left, width, notch } of bars) {
    if (notch === null) continue
    context.moveTo(left + width, notch - 4)
    context.lineTo(left + width, notch + 4)
    context.lineTo(left + Math.max(0, width - 7), notch)
  }
  context.fill()
}

/** The layer under a place, -1 outside. */
export const stripIndexAt = (x: number, width: number, layers: number): number =>
  x < 0 || x >= width || layers === 0 ? -1 : Math.floor((x / width) * layers)

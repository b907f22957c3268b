import type { FrontPoint } from '../../../src-preload/contract/results.ts'
import type { LayerOptions } from '../../stores/project.ts'

/** Bytes of a file -> the width for all layers that would take as many: what the slider's scale means. Where some layers
 *  have no narrow option, that is less than the plan's average bits. Null until both are known. */
export function widthScale(
  options: readonly LayerOptions[] | null,
  uniform: readonly FrontPoint[],
): ((bytes: number) => number) | null {
  const widths = [...new Set((options ?? []).flatMap((layer) => layer.options.map(({ bits }) => bits)))]
    .filter((bits) => bits < 32)
    .sort((a, b) => a - b)
  if (widths.length < 2 || widths.length !== uniform.length) return null
  const steps = widths.map((width, i) => ({ width, bytes: uniform[i]?.bytes ?? 0 }))
  return (bytes) => {
    const at = steps.findIndex((step) => step.bytes >= bytes)
    const above = steps[at < 0 ? steps.length - 1 : Math.max(1, at)]
    const below = steps[(at < 0 ? steps.length - 1 : Math.max(1, at)) - 1]
    if (!above || !below || above.bytes === below.bytes) return above?.width ?? 0
    return below.width + ((above.width - below.width) * (bytes - below.bytes)) / (above.bytes - below.bytes)
  }
}

/** The same points with the scale's width in the place of their average bits. */
export const onScale = <P extends FrontPoint>(points: readonly P[], scale: ((bytes: number) => number) | null): P[] =>
  points.map((point) => (scale ? { ...point, averageBits: scale(point.bytes) } : point))

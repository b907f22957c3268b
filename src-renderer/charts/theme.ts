/** Colours and type a chart needs, as the canvas wants them (resolved, not custom properties). */
export interface ChartTheme {
  ink: string
  ink2: string
  ink3: string
  line: string
  grid: string
  surface: string
  accent: string
  accentSoft: string
  measured: string
  uniform: string
  series: readonly string[] // hues of methods side by side
  font: string
  animates: boolean
}

const tokens = {
  ink: '--ink',
  ink2: '--ink-2',
  ink3: '--ink-3',
  line: '--line-2',
  grid: '--grid',
  surface: '--surface',
  accent: '--accent',
  accentSoft: '--accent-soft',
  measured: '--measured',
  uniform: '--uniform',
} as const

/** How many hues there are for methods side by side: `--series-1` and on. */
export const seriesHues = 8

/** Resolves the design tokens where they apply: a probe element turns `light-dark()` into the colour in force. */
export function readChartTheme(host: HTMLElement): ChartTheme {
  const probe = document.createElement('span')
  probe.hidden = true
  host.append(probe)
  const style = getComputedStyle(probe)
  const resolve = (token: string): string => {
    probe.style.color = `var(${token})`
    return style.color
  }
  const colours = Object.fromEntries(Object.entries(tokens).map(([name, token]) => [name, resolve(token)])) as Record<
    keyof typeof tokens,
    string
  >
  const series = Array.from({ length: seriesHues }, (_, i) => resolve(`--series-${i + 1}`))
  const font = style.fontFamily
  probe.remove()
  return { ...colours, series, font, animates: !matchMedia('(prefers-reduced-motion: reduce)').matches }
}

import type { ChartTheme } from '../../../src-renderer/charts/theme.ts'

/** Names for colours, so that a test sees which one is used. */
export const theme: ChartTheme = {
  ink: 'ink',
  ink2: 'ink2',
  ink3: 'ink3',
  line: 'line',
  grid: 'grid',
  surface: 'surface',
  accent: 'accent',
  accentSoft: 'accentSoft',
  measured: 'measured',
  uniform: 'uniform',
  series: ['s1', 's2', 's3', 's4', 's5', 's6', 's7', 's8'],
  font: 'font',
  animates: false,
}

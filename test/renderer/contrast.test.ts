import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

// Every text colour must be readable on every surface it stands on (WCAG 2.2 AA, 4.5 : 1; 3 : 1 for outlines of controls).
const css = readFileSync('src-renderer/styles/tokens.css', 'utf8')

function token(name: string, scheme: 'light' | 'dark'): string {
  const found = css.match(new RegExp(`--${name}: light-dark\\((#[0-9a-f]{6}), (#[0-9a-f]{6})\\);`))
  const value = found?.[scheme === 'light' ? 1 : 2]
  if (!value) throw new Error(`no token --${name}`)
  return value
}
function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(hex.slice(at, at + 2), 16) / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
function contrast(a: string, b: string): number {
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y)
  return (high + 0.05) / (low + 0.05)
}

const surfaces = ['paper', 'rail', 'surface', 'inset', 'raised']
const texts: [string, string[]][] = [
  ['ink', [...surfaces, 'accent-soft', 'bad-soft', 'warn-soft']],
  ['ink-2', [...surfaces, 'accent-soft', 'bad-soft']],
  ['ink-3', [...surfaces, 'accent-soft']],
  ['accent', ['paper', 'surface', 'inset', 'raised', 'accent-soft']],
  ['measured', ['paper', 'surface', 'raised', 'measured-soft']],
  ['uniform', ['surface']],
  ['good', ['surface', 'good-soft']],
  ['warn', ['surface', 'warn-soft']],
  ['bad', ['surface', 'bad-soft']],
  ['accent-ink', ['accent', 'accent-hover']],
]

for (const scheme of ['light', 'dark'] as const) {
  test.each(texts.flatMap(([text, grounds]) => grounds.map((ground) => [text, ground] as const)))(
    `${scheme}: %s on %s`,
    (text, ground) => expect(contrast(token(text, scheme), token(ground, scheme))).toBeGreaterThanOrEqual(4.5),
  )
  test.each([
    ['line-control', 'surface'],
    ['focus', 'paper'],
    ['focus', 'surface'],
    ['focus', 'accent-soft'],
    ...Array.from({ length: 8 }, (_, i) => [`series-${i + 1}`, 'surface']),
  ])(`${scheme}: outline %s on %s`, (line, ground) =>
    expect(contrast(token(line, scheme), token(ground, scheme))).toBeGreaterThanOrEqual(3),
  )
}

// How numbers are written everywhere in the window. A missing or non-finite number is a dash, never 'NaN'.

export const dash = '–'
const minus = '−'

const digits = new Map<number, Intl.NumberFormat>()
function fixed(value: number, decimals: number): string {
  let format = digits.get(decimals)
  if (!format) {
    format = new Intl.NumberFormat('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals })
    digits.set(decimals, format)
  }
  return format.format(value).replace('-', minus)
}

const isNumber = (value: number | null | undefined): value is number =>
  typeof value === 'number' && Number.isFinite(value)

/** 1 MB = 1,000,000 bytes, as file managers and model cards count. */
export function formatBytes(bytes: number | null | undefined): string {
  if (!isNumber(bytes)) return dash
  const size = Math.abs(bytes)
  if (size < 1000) return `${fixed(bytes, 0)} B`
  if (size < 999_950) return `${fixed(bytes / 1e3, 1)} kB`
  if (size < 999_950_000) return `${fixed(bytes / 1e6, size < 9_995_000 ? 2 : 1)} MB`
  return `${fixed(bytes / 1e9, 2)} GB`
}

export const megabytes = (bytes: number): number => bytes / 1e6

export function formatCount(count: number | null | undefined): string {
  return isNumber(count) ? fixed(count, 0) : dash
}

/** 263104 -> '263 K', 1.1e9 -> '1.10 B'. */
export function formatShortCount(count: number | null | undefined): string {
  if (!isNumber(count)) return dash
  if (count < 1000) return fixed(count, 0)
  if (count < 999_500) return `${fixed(count / 1e3, count < 9950 ? 1 : 0)} K`
  if (count < 999_500_000) return `${fixed(count / 1e6, count < 99_500_000 ? 2 : 0)} M`
  return `${fixed(count / 1e9, 2)} B`
}

/** A share 0..1 as percent. */
export function formatPercent(share: number | null | undefined, decimals = 1): string {
  return isNumber(share) ? `${fixed(share * 100, decimals)} %` : dash
}

export function formatBits(bits: number | null | undefined): string {
  return isNumber(bits) ? fixed(bits, Number.isInteger(bits) ? 0 : 2) : dash
}

const superscripts: Record<string, string> = {
  '-': '⁻',
  '0': '⁰',
  '1': '¹',
  '2': '²',
  '3': '³',
  '4': '⁴',
  '5': '⁵',
  '6': '⁶',
  '7': '⁷',
  '8': '⁸',
  '9': '⁹',
}

/** Three significant digits; powers of ten where plain decimals would hide them. */
export function formatScientific(value: number | null | undefined): string {
  if (!isNumber(value)) return dash
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size >= 1e-3 && size < 1e5) {
    const rounded = Number(size.toPrecision(3)) // 0.009999 is 0.0100: it is the rounded number that is counted
    const decimals = Math.max(0, Math.min(5, 2 - Math.floor(Math.log10(rounded))))
    return fixed(value, decimals)
  }
  const [mantissa = '', exponent = ''] = value.toExponential(1).split('e')
  const power = [...exponent.replace('+', '')].map((letter) => superscripts[letter] ?? letter).join('')
  return `${mantissa.replace('-', minus)}×10${power}`
}

/** The same for round numbers on an axis: '0.01' rather than '0.0100', '10⁻⁴' rather than '1.0×10⁻⁴'. */
export function trimZeros(text: string): string {
  const trimmed = text.replace(/(\.\d*?)0+(?=\D|$)/, '$1').replace(/\.(?=\D|$)/, '')
  return trimmed.replace(/^1×10/, '10')
}

/** KL divergence and other losses, in nats. */
export const formatLoss = formatScientific

export function formatDuration(milliseconds: number | null | undefined): string {
  if (!isNumber(milliseconds)) return dash
  const seconds = milliseconds / 1000
  if (seconds < 1) return `${fixed(milliseconds, 0)} ms`
  if (seconds < 10) return `${fixed(seconds, 1)} s`
  if (seconds < 59.5) return `${fixed(seconds, 0)} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} min`
}

/** Speed of a device, from billions of operations a second. */
export function formatSpeed(gflops: number | null | undefined): string {
  if (!isNumber(gflops)) return 'not measured'
  return gflops >= 1000 ? `${fixed(gflops / 1000, 1)} TFLOPS` : `${fixed(gflops, gflops < 10 ? 1 : 0)} GFLOPS`
}

/** Of ranks, from −1 to 1. */
export const formatCorrelation = (rho: number | null): string =>
  rho === null ? dash : rho.toFixed(2).replace('-', '−')

export function formatRate(perSecond: number | null | undefined): string {
  return isNumber(perSecond) ? `${fixed(perSecond, perSecond < 10 ? 1 : 0)}/s` : dash
}

export function formatShape(shape: readonly number[]): string {
  return shape.length === 0 ? 'scalar' : shape.join(' × ')
}

export function formatRatio(value: number): string {
  return isNumber(value) ? `${fixed(value, value < 10 ? 2 : 1)}×` : dash
}

/** With its sign, so that a difference is never mistaken for a value. */
export function signed(text: string): string {
  return text.startsWith(minus) || text === dash || text === '0' ? text : `+${text}`
}

const days = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })

/** 'just now', '5 minutes ago', 'yesterday', or the date. */
export function formatWhen(iso: string, now: Date): string {
  const then = new Date(iso)
  if (Number.isNaN(then.getTime())) return dash
  const minutes = Math.round((then.getTime() - now.getTime()) / 60_000)
  if (minutes > -1) return 'just now'
  if (minutes > -60) return days.format(minutes, 'minute')
  if (minutes > -60 * 24) return days.format(Math.round(minutes / 60), 'hour')
  if (minutes > -60 * 24 * 14) return days.format(Math.round(minutes / 1440), 'day')
  return then.toISOString().slice(0, 10)
}

/** Last part of a path, of either kind of slash. */
export function baseName(path: string): string {
  return path.split(/[\\/]/).filter(Boolean).at(-1) ?? path
}

// Weights on a small set of levels:  w[r, c] = level[code[r, c]] * scale[r, g],  g = floor(c / groupSize), one float32 product.
//
//   codes    U8 [ceil(rows cols b / 8)]   one bit stream over the matrix, row after row, the lowest bit of a byte first
//            U8 [ceil(rows cols / 5)]     three levels: five codes a byte, c0 + 3 c1 + 9 c2 + 27 c3 + 81 c4
//            F8 [rows, cols]              8-bit floats
//   scales   F16, F32, F8_E8M0 or F8_E4M3 [rows, groups], [1, 1] where the whole tensor shares one
//   divisor  F32 [1]                      F8_E4M3 scales only: scale = stored / divisor, rounded to float32
//
// Which levels a code stands for belongs to the coding and its settings, not to the file.
import { fromFloat32, toFloat32 } from '../../checkpoint/convert.ts'
import type { DataType } from '../../graph/ir.ts'
import { bitsOf } from '../../graph/ir.ts'
import { packBits, packedBytes, unpackBits } from '../../kernels/bits.ts'
import { decodeLevels, packTrits, toSmallFloat, tritBytes, unpackTrits } from '../../kernels/levels.ts'
import type { LevelScale, LevelSet } from '../../kernels/levels-job.ts'
import type { Granularity } from '../types.ts'
import type { CodedForm, CodedMatrix, CodedPart, Coding } from './define.ts'

/** The levels of a coding under its settings. */
export interface Levels {
  set: LevelSet
  codes: 2 | 3 | 4 | 8 | 16 | 'float4e2m1' | 'float8e4m3fn' | 'float8e5m2' // how many, or the type they are numbers of
  scale: LevelScale
}

export interface LevelShape {
  rows: number
  cols: number
  granularity: Granularity
  groupSize: number // cols for 'channel' and 'tensor'
  groups: number // per row
}

/** Codes one a byte, scales as float32. */
export interface LevelMatrix extends LevelShape {
  codes: Uint8Array // [rows, cols]
  scales: Float32Array // [rows, groups]; [1] for 'tensor'
  divisor: number
}

type Settings = CodedMatrix['settings']
export type LevelsOf = (settings: Settings) => Levels | null // null: settings it does not know

export const levelShape = (
  { rows, cols }: { rows: number; cols: number },
  granularity: Granularity,
  groupSize: number,
): LevelShape => {
  const size = granularity === 'group' ? Math.min(groupSize, cols) : cols
  return { rows, cols, granularity, groupSize: size, groups: Math.ceil(cols / size) }
}

const scaleTypes = { 'power-of-two': 'float16' } as const
/** The type scales are stored in. */
export const scaleType = (scale: LevelScale): DataType =>
  scale === 'power-of-two' ? scaleTypes['power-of-two'] : scale

/** Bits of one code in a bit stream; null for three levels and for bytes of their own. */
export const codeBits = ({ codes }: Levels): number | null =>
  codes === 'float4e2m1' ? 4 : typeof codes === 'string' || codes === 3 ? null : Math.log2(codes)

const bitsOfCodes = (levels: Levels): number => codeBits(levels) ?? (levels.codes === 3 ? 2 : 8)

/** The form of such a weight. `settings`: what the coding needs to know its levels. */
export function levelForm(
  coding: string,
  settings: Settings,
  levels: Levels,
  shape: LevelShape,
  scales = scaleType(levels.scale),
): CodedForm {
  const { rows, cols, granularity, groupSize, groups } = shape
  const bits = codeBits(levels)
  const bytes = bits !== null ? packedBytes(rows * cols, bits) : tritBytes(rows * cols)
  const isFloat8 = levels.codes === 'float8e4m3fn' || levels.codes === 'float8e5m2'
  const codes = isFloat8 ? { dtype: levels.codes as DataType, shape: [rows, cols] } : { dtype: 'uint8' as const, shape: [bytes] } // prettier-ignore
  const parts: CodedForm['parts'] = {
    codes,
    scales: { dtype: scales, shape: granularity === 'tensor' ? [1, 1] : [rows, groups] },
  }
  if (levels.scale === 'float8e4m3fn') parts.divisor = { dtype: 'float32', shape: [1] }
  return { rows, cols, coding, settings: { ...settings, granularity, groupSize }, parts }
}

/** Codes and scales as a coded matrix. Scales must be numbers of their stored type. */
export function encodeLevels(
  coding: string,
  settings: Settings,
  levels: Levels,
  matrix: LevelMatrix,
  scales = scaleType(levels.scale),
): CodedMatrix {
  const form = levelForm(coding, settings, levels, matrix, scales)
  const bits = codeBits(levels)
  const data: Record<string, Uint8Array> = {
    codes: levels.codes === 3 ? packTrits(matrix.codes) : bits === null ? matrix.codes : packBits(matrix.codes, bits),
    scales: scaleBytes(matrix.scales, scales, matrix.divisor),
    divisor: fromFloat32(Float32Array.of(matrix.divisor), 'float32'),
  }
  const parts = Object.entries(form.parts).map(([name, part]): [string, CodedPart] => [
    name,
    { ...part, data: data[name] ?? new Uint8Array() },
  ])
  return { ...form, parts: Object.fromEntries(parts) }
}

function scaleBytes(scales: Float32Array, type: DataType, divisor: number): Uint8Array {
  if (type === 'float8e8m0') return Uint8Array.from(scales, (scale) => Math.log2(scale) + 127)
  if (type === 'float8e4m3fn') return toSmallFloat(scales.map((scale) => scale * divisor), type) // prettier-ignore
  return fromFloat32(scales, type)
}

/** What the settings and parts of such a matrix say; rows [begin, end) of its codes. */
export function decodeForm(form: CodedForm): LevelShape {
  const { granularity, groupSize } = form.settings
  return levelShape(form, granularity as Granularity, groupSize as number)
}

export function readLevels(matrix: CodedMatrix, levels: Levels, begin = 0, end = matrix.rows): LevelMatrix {
  const shape = decodeForm(matrix)
  const { codes, scales, divisor } = matrix.parts as Record<'codes' | 'scales' | 'divisor', CodedPart | undefined>
  const by = divisor ? (toFloat32(divisor.data, 'float32')[0] ?? 1) : 1
  const stored = toFloat32(scales?.data ?? new Uint8Array(), scales?.dtype ?? 'float32')
  const { cols, groups, granularity } = shape
  const own = granularity === 'tensor' ? stored : stored.subarray(begin * groups, end * groups)
  return {
    ...{ ...shape, rows: end - begin, divisor: by },
    codes: readCodes(codes?.data ?? new Uint8Array(), levels, begin * cols, end * cols),
    scales: divisor ? own.map((scale) => scale / by) : own,
  }
}

/** Codes [from, to), one a byte. */
function readCodes(data: Uint8Array, levels: Levels, from: number, to: number): Uint8Array {
  const bits = codeBits(levels)
  if (levels.codes === 3) {
    const first = Math.floor(from / 5)
    return unpackTrits(data.subarray(first, Math.ceil(to / 5))).subarray(from - first * 5, to - first * 5)
  }
  if (bits === null) return data.subarray(from, to)
  const first = from - (from % 8) // eight codes end on a byte
  return unpackBits(data.subarray((first / 8) * bits), bits, to - first).subarray(from - first)
}

/** The value of each code; NaN where there is none. */
export function valuesOf({ set, codes }: Levels): Float32Array {
  const values = new Float32Array(256).fill(NaN)
  if (typeof codes === 'string') {
    const all = Uint8Array.from({ length: 256 }, (_, code) => code)
    const known = codes === 'float4e2m1' ? Uint8Array.from({ length: 8 }, (_, i) => 2 * i + ((2 * i + 1) << 4)) : all
    values.set(toFloat32(known, codes))
    return values.map((value) => (Number.isFinite(value) ? value : NaN))
  }
  if (set.kind === 'table') set.codes.forEach((code, k) => (values[code] = set.levels[k] as number))
  return values
}

/** A coding of levels. */
export function levelCoding(
  id: string,
  title: string,
  levelsOf: LevelsOf,
  form: NonNullable<Coding['form']>,
): Coding & { levelsOf: LevelsOf } {
  const known = (settings: Settings): Levels => {
    const levels = levelsOf(settings)
    if (levels === null) throw new Error(`${id}: unknown settings ${JSON.stringify(settings)}`) // `fault` was not asked
    return levels
  }
  return {
    ...{ id, title, levelsOf, form },
    decode(matrix, begin, end) {
      const levels = known(matrix.settings)
      const { codes, scales, rows, cols, groupSize, granularity } = readLevels(matrix, levels, begin, end)
      const shape = granularity === 'tensor' ? { rows: 1, cols: rows * cols, groupSize: rows * cols } : { rows, cols, groupSize } // prettier-ignore
      return decodeLevels(codes, valuesOf(levels), scales, shape)
    },
    fault(matrix) {
      const levels = levelsOf(matrix.settings)
      return levels === null ? `it has settings that ${id} does not know` : levelFault(matrix, levels)
    },
  }
}

const granularities: unknown[] = ['tensor', 'channel', 'group']

function levelFault(matrix: CodedMatrix, levels: Levels): string | null {
  const { settings, parts, rows, cols } = matrix
  const { granularity, groupSize } = settings
  if (!granularities.includes(granularity)) return 'its granularity is unknown'
  if (typeof groupSize !== 'number' || !Number.isInteger(groupSize) || groupSize < 1) return 'its group size is wrong'
  const held = parts.scales?.dtype
  const own = scaleType(levels.scale)
  const wide = own === 'float16' && levels.scale === 'float16' // a layer outside float16's range
  if (held !== own && !(wide && held === 'float32')) return `its scales are not ${own}`
  const shape = levelShape({ rows, cols }, granularity as Granularity, groupSize)
  const wanted = levelForm(matrix.coding, {}, levels, shape, held).parts
  for (const [name, { dtype, shape: of }] of Object.entries(wanted)) {
    const part = parts[name]
    const bytes = (of.reduce((product, size) => product * size, 1) * bitsOf[dtype]) / 8
    if (part?.dtype !== dtype || part.shape.join() !== of.join() || part.data.byteLength !== bytes)
      return `its ${name} are not ${dtype} [${of.join(', ')}]`
  }
  const stray = Object.keys(parts).find((name) => !(name in wanted))
  if (stray !== undefined) return `it has a part ${stray}`
  const { codes, scales, divisor } = readLevels(matrix, levels)
  if (!scales.every(Number.isFinite) || !(divisor > 0)) return 'a scale is not finite'
  const values = valuesOf(levels)
  const possible = bitsOfCodes(levels)
  for (let code = 0; code < 2 ** possible; code++)
    if (Number.isNaN(values[code]) && codes.includes(code)) return `code ${code} stands for nothing`
  if (levels.codes === 3 && (parts.codes?.data ?? new Uint8Array()).some((byte) => byte > 242)) return 'a byte of codes is above 242' // prettier-ignore
  return null
}

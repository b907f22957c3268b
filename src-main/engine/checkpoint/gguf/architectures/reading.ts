// Metadata of one architecture, read key by key with ranges. Faults name the file and the key.
import type { JsonMap } from '../../json.ts'
import { ggufFault } from '../cursor.ts'
import type { MetadataValue } from '../metadata.ts'
import type { GgufContents } from './define.ts'

/** A float32 as the decimal that was meant: 1e-5, not 0.000009999999747378752. */
export function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === Math.fround(value)) return short
  }
  return value
}

const said = (value: MetadataValue | undefined): string => {
  if (!value) return 'missing'
  if (value.type === 'array') return `a list of ${value.length} ${value.of}`
  return value.type === 'string' ? JSON.stringify(value.value.slice(0, 60)) : String(value.value)
}

export class MetadataReader {
  readonly contents: GgufContents
  private readonly prefix: string

  constructor(contents: GgufContents, prefix: string) {
    this.contents = contents
    this.prefix = prefix
  }

  private value(key: string): MetadataValue | undefined {
    return this.contents.metadata.get(`${this.prefix}.${key}`)
  }

  has(key: string): boolean {
    return this.value(key) !== undefined
  }

  hasTensor(name: string): boolean {
    return this.contents.tensors.has(name)
  }

  wrong(key: string, expected: string): Error {
    const found = said(this.value(key))
    const field = `${this.prefix}.${key}`
    return ggufFault(this.contents.file, `metadata ${field} is ${found}, expected ${expected}`, {
      field,
      expected,
      found,
      hint: 'The file is damaged, or was written by a faulty program. Download it again, or convert the original anew.',
    })
  }

  unsupported(key: string, what: string): Error {
    const field = `${this.prefix}.${key}`
    return ggufFault(this.contents.file, `metadata ${field}: ${what}`, {
      code: 'unsupported',
      field,
      found: said(this.value(key)),
      hint: 'Open the original checkpoint instead.',
    })
  }

  /** A whole number; where a file lists one for each block, they must agree. */
  integer(key: string, range: { min: number; max: number }, fallback?: number): number {
    const value = this.value(key)
    const expected = `an integer from ${range.min} to ${range.max}`
    if (!value && fallback !== undefined) return fallback
    if (value?.type === 'array') {
      if (value.of === 'string' || value.of === 'bool' || value.length > 4096) throw this.wrong(key, expected)
      const [first, ...rest] = value.values()
      if (rest.some((other) => other !== first)) throw this.unsupported(key, 'it differs from block to block')
      return this.within(key, first, range, expected)
    }
    return this.within(key, value?.value, range, expected)
  }

  private within(key: string, value: unknown, range: { min: number; max: number }, expected: string): number {
    if (typeof value === 'number' && Number.isInteger(value) && value >= range.min && value <= range.max) return value
    throw this.wrong(key, expected)
  }

  /** A finite number above `above`. */
  number(key: string, above: number, fallback?: number): number {
    const value = this.value(key)
    if (!value && fallback !== undefined) return fallback
    const found = value && 'value' in value ? value.value : undefined
    if (typeof found !== 'number' || !(found > above && found < Infinity)) {
      throw this.wrong(key, `a number above ${above}`)
    }
    return value?.type === 'float32' ? shortest(found) : found
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.value(key)
    if (!value) return fallback
    if (value.type !== 'bool') throw this.wrong(key, 'true or false')
    return value.value
  }

  text(key: string, fallback: string): string {
    const value = this.value(key)
    if (!value) return fallback
    if (value.type !== 'string') throw this.wrong(key, 'a text')
    return value.value
  }

  /** Sizes of a tensor that must be there, outermost first. */
  shapeOf(tensor: string, rank: number): readonly number[] {
    const shape = this.contents.tensors.get(tensor)?.shape
    if (shape?.length === rank) return shape
    throw ggufFault(this.contents.file, `tensor ${tensor} is ${shape ? `[${shape.join(', ')}]` : 'missing'}`, {
      tensor,
      expected: `${rank} dimensions`,
      ...(shape && { found: `[${shape.join(', ')}]` }),
    })
  }
}

/** Ids of special tokens, as config.json has them. */
export function specialTokens(contents: GgufContents): JsonMap {
  const ids: JsonMap = new Map()
  const reader = new MetadataReader(contents, 'tokenizer.ggml')
  for (const [key, field] of [
    ['bos_token_id', 'bos_token_id'],
    ['eos_token_id', 'eos_token_id'],
    ['padding_token_id', 'pad_token_id'],
  ] as const) {
    if (reader.has(key)) ids.set(field, reader.integer(key, { min: 0, max: 2 ** 31 }))
  }
  return ids
}

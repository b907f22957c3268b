// config.json of a Hugging Face folder, read field by field with ranges; nothing in it is ever executed.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { type JsonMap, describeJson } from '../../checkpoint/json.ts'

/** Typed, range-checked access to the fields of one object. Faults name the file and the field. */
export class Settings {
  readonly file: string
  private readonly map: JsonMap
  private readonly prefix: string

  constructor(map: JsonMap, file: string, prefix = '') {
    this.map = map
    this.file = file
    this.prefix = prefix
  }

  has(field: string): boolean {
    return (this.map.get(field) ?? null) !== null
  }

  /** Whether the file says anything about it, be it null. */
  mentions(field: string): boolean {
    return this.map.has(field)
  }

  wrong(field: string, expected: string): Fault {
    const found = describeJson(this.map.get(field))
    return new Fault('bad-input', `${this.file}: ${this.prefix}${field} is ${found}, expected ${expected}`, {
      hint: 'Compare the file with the one on the page of the model.',
      data: { file: this.file, field: this.prefix + field, expected, found },
    })
  }

  /** A setting that is well-formed but that the graph builder cannot honour. */
  unsupported(field: string, what: string): Fault {
    return new Fault('unsupported', `${this.file}: ${this.prefix}${field}: ${what}`, {
      data: { file: this.file, field: this.prefix + field, found: describeJson(this.map.get(field)) },
    })
  }

  integer(field: string, range: { min: number; max: number }, fallback?: number): number {
    const value = this.map.get(field) ?? fallback
    if (typeof value !== 'number' || !Number.isInteger(value) || value < range.min || value > range.max) {
      throw this.wrong(field, `an integer from ${range.min} to ${range.max}`)
    }
    return value
  }

  /** A finite number above `above`. */
  number(field: string, above: number, fallback?: number): number {
    const value = this.map.get(field) ?? fallback
    if (typeof value !== 'number' || !(value > above)) throw this.wrong(field, `a number above ${above}`)
    return value
  }

  flag(field: string, fallback: boolean): boolean {
    const value = this.map.get(field) ?? fallback
    if (typeof value !== 'boolean') throw this.wrong(field, 'true or false')
    return value
  }

  text(field: string, fallback?: string): string {
    const value = this.map.get(field) ?? fallback
    if (typeof value !== 'string') throw this.wrong(field, 'a text')
    return value
  }

  numbers(field: string, length: number): number[] {
    const value = this.map.get(field)
    if (!Array.isArray(value) || value.length !== length || !value.every((x) => typeof x === 'number' && x > 0)) {
      throw this.wrong(field, `${length} positive numbers`)
    }
    return value as number[]
  }

  /** A list of `length` finite numbers. */
  finite(field: string, length: number): number[] {
    const value = this.map.get(field)
    if (!Array.isArray(value) || value.length !== length || !value.every((x) => Number.isFinite(x))) {
      throw this.wrong(field, `${length} numbers`)
    }
    return value as number[]
  }

  /** A list of whole numbers, negative ones among them. */
  whole(field: string): number[] {
    const value = this.map.get(field)
    if (!Array.isArray(value) || !value.every((x) => Number.isSafeInteger(x)))
      throw this.wrong(field, 'a list of integers')
    return value as number[]
  }

  isObject(field: string): boolean {
    return this.map.get(field) instanceof Map
  }

  isList(field: string): boolean {
    return Array.isArray(this.map.get(field))
  }

  /** The settings of a part; where the object is missing, all its fields are. */
  part(field: string): Settings {
    return this.section(field) ?? new Settings(new Map(), this.file, `${this.prefix}${field}.`)
  }

  /** A list of whole numbers from 0 on; null where it is absent. */
  integers(field: string): number[] | null {
    const value = this.map.get(field) ?? null
    if (value === null) return null
    if (!Array.isArray(value) || !value.every((x) => Number.isSafeInteger(x) && Number(x) >= 0)) {
      throw this.wrong(field, 'a list of whole numbers')
    }
    return value as number[]
  }

  texts(field: string): string[] | null {
    const value = this.map.get(field) ?? null
    if (value === null) return null
    if (!Array.isArray(value) || !value.every((x) => typeof x === 'string')) throw this.wrong(field, 'a list of texts')
    return value as string[]
  }

  section(field: string): Settings | null {
    const value = this.map.get(field) ?? null
    if (value === null) return null
    if (!(value instanceof Map)) throw this.wrong(field, 'an object')
    return new Settings(value, this.file, `${this.prefix}${field}.`)
  }

  /** Entries of an object, such as the classes in id2label. */
  count(field: string, fallback: number): number {
    const value = this.map.get(field) ?? null
    if (value === null) return fallback
    if (!(value instanceof Map)) throw this.wrong(field, 'an object')
    return value.size
  }

  /** A size for height and width: one number, or two of which the first is the height. */
  pair(field: string, range: { min: number; max: number }, fallback?: number): [number, number] {
    const value = this.map.get(field)
    if (!Array.isArray(value)) {
      const side = this.integer(field, range, fallback)
      return [side, side]
    }
    const inRange = (x: unknown): x is number =>
      typeof x === 'number' && Number.isInteger(x) && x >= range.min && x <= range.max
    const [height, width] = value
    if (value.length === 2 && inRange(height) && inRange(width)) return [height, width]
    throw this.wrong(field, `one or two integers from ${range.min} to ${range.max}`)
  }

  /** The same settings, with these where a field is not given. */
  withDefaults(defaults: JsonMap): Settings {
    return new Settings(new Map([...defaults, ...this.map]), this.file, this.prefix)
  }

  /** Names of the fields, in file order. */
  fields(): string[] {
    return [...this.map.keys()]
  }

  /** A field's text; null where it holds something else. */
  maybeText(field: string): string | null {
    const value = this.map.get(field)
    return typeof value === 'string' ? value : null
  }

  holdsObjects(): boolean {
    return [...this.map.values()].some((value) => value instanceof Map)
  }
}

// Metadata of one architecture, written key by key in the types that llama.cpp asks for.
import type { MetadataValue, NumberType } from '../metadata.ts'
import { numberList } from '../metadata.ts'

export class MetadataWriter {
  readonly values = new Map<string, MetadataValue>()
  private readonly prefix: string

  constructor(prefix: string) {
    this.prefix = prefix
  }

  private put(key: string, value: MetadataValue): this {
    this.values.set(`${this.prefix}.${key}`, value)
    return this
  }

  integer = (key: string, value: number): this => this.put(key, { type: 'uint32', value })
  float = (key: string, value: number): this => this.put(key, { type: 'float32', value: Math.fround(value) })
  flag = (key: string, value: boolean): this => this.put(key, { type: 'bool', value })
  text = (key: string, value: string): this => this.put(key, { type: 'string', value })
  flags = (key: string, values: readonly boolean[]): this =>
    this.put(key, { type: 'array', of: 'bool', length: values.length, values: () => values })
  list = (key: string, of: NumberType, values: readonly number[]): this => this.put(key, numberList(of, values))
}

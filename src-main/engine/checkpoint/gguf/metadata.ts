// Metadata of a GGUF file: typed values by key.

/** Value types of the format; index = the number in the file. */
export const metadataTypes = [
  'uint8',
  'int8',
  'uint16',
  'int16',
  'uint32',
  'int32',
  'float32',
  'bool',
  'string',
  'array',
  'uint64',
  'int64',
  'float64',
] as const
export type MetadataType = (typeof metadataTypes)[number]
export type NumberType = Exclude<MetadataType, 'bool' | 'string' | 'array'>

/** A list, decoded when asked for: a vocabulary of 250,000 texts costs nothing until then. */
export type MetadataArray =
  | { type: 'array'; of: 'string'; length: number; values: () => readonly string[] }
  | { type: 'array'; of: 'bool'; length: number; values: () => readonly boolean[] }
  | { type: 'array'; of: NumberType; length: number; values: () => readonly number[] } // 64 bits: to nearest double

export type MetadataValue =
  | { type: NumberType; value: number } // 64 bits: at most 2^53, larger ones are refused
  | { type: 'bool'; value: boolean }
  | { type: 'string'; value: string }
  | MetadataArray

export type Metadata = ReadonlyMap<string, MetadataValue>

export const textList = (values: readonly string[]): MetadataValue => ({
  type: 'array',
  of: 'string',
  length: values.length,
  values: () => values,
})
export const numberList = (of: NumberType, values: readonly number[]): MetadataValue => ({
  type: 'array',
  of,
  length: values.length,
  values: () => values,
})

// Weights to blocks of a GGUF type.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { halfBytesToFloat, bfloatBytesToFloat } from './source.ts'
import { encodeReference } from './encode.ref.ts'
import { type GgmlType, ggmlTypes } from './types.ts'

/** Element types of the bytes a checkpoint holds its weights in; anything else is handed over as float32. */
export type SourceType = 'float16' | 'bfloat16' | 'float32'

export interface EncodeOptions {
  /** How much each column matters, [cols], >= 0: its squared error is weighted by it. Default: all alike. */
  importance?: Float32Array | undefined
  threads?: number | undefined // default: all cores; the result is the same for any number
  layer?: string | undefined // for messages
}

/** Blocks of whole rows. Faults 'bad-arguments' on rows that are no whole blocks and on importance that is negative or not
 *  finite, 'bad-input' on weights that are not finite or beyond what the type holds, 'unsupported' on a type without encoder. */
export function encodeRows(
  type: GgmlType,
  source: { rows: number; cols: number; weights: Float32Array },
  options: EncodeOptions = {},
): Uint8Array {
  const { weights, cols } = source
  const bytes = new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength)
  const parts = [...encodeStream(type, 'float32', cols, [bytes], options)]
  return parts.length === 1 && parts[0] ? parts[0] : new Uint8Array(Buffer.concat(parts))
}

/** The same over a stream: `source` gives the bytes of some whole rows at a time, and their blocks come back in order.
 *  The next rows are read (`source` is asked for them) while threads still encode the last ones. A yielded array stays
 *  valid until the next is asked for; `source` may reuse its own. */
export function* encodeStream(
  type: GgmlType,
  sourceType: SourceType,
  cols: number,
  source: Iterable<Uint8Array>,
  options: EncodeOptions = {},
): Generator<Uint8Array, void, undefined> {
  const { blockSize } = ggmlTypes[type]
  const layer = options.layer ?? 'weight'
  if (cols % blockSize !== 0)
    throw new Fault(
      'bad-arguments',
      `Layer ${layer}: rows of ${cols} weights are no whole ${type} blocks of ${blockSize}.`,
      {
        hint: 'Choose a type with smaller blocks for this layer.',
        data: { tensor: layer, expected: `a multiple of ${blockSize}`, found: `${cols}` },
      },
    )
  let first = 0
  for (const bytes of source) {
    const aligned = new Uint8Array(bytes).buffer
    const weights =
      sourceType === 'float32'
        ? new Float32Array(aligned)
        : sourceType === 'float16'
          ? halfBytesToFloat(aligned)
          : bfloatBytesToFloat(aligned)
    const bad = weights.findIndex((value) => !Number.isFinite(value))
    if (bad >= 0) throw notEncodable(layer, type, first + bad, cols, weights[bad] ?? NaN)
    const blocks = encodeReference(type, weights)
    if (blocks === undefined) throw new Fault('unsupported', `Layer ${layer}: weights cannot be written as ${type}.`)
    yield blocks
    first += weights.length
  }
}

function notEncodable(layer: string, type: GgmlType, index: number, cols: number, found: number): Fault {
  const place = `weight [${Math.floor(index / cols)}, ${index % cols}]`
  return new Fault('bad-input', `Layer ${layer}: ${place} is ${found}, which ${type} cannot hold.`, {
    hint: 'The checkpoint is damaged, or its training diverged. Keep this layer as it is, or get the checkpoint again.',
    data: { tensor: layer, expected: 'finite weights', found: String(found), offset: index },
  })
}

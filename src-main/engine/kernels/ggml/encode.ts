// Weights to blocks of a GGUF type: the door of assembly/ggml-encode.ts.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { BlockRows } from '../block-job.ts'
import type { Task } from '../chunks.ts'
import { chunkRows, finish, sharedBytes, start } from '../pool.ts'
import { codebookSettings } from './codebook/encode.ts'
import { type CodebookType, codebookLayouts } from './codebook/layout.ts'
import { effortFor, trialSize } from './effort.ts'
import { weigh } from './importance.ts'
import { largestMagnitude, valueOf } from './limits.ts'
import { type GgmlType, ggmlTypes, rowBytes, writableTypes } from './types.ts'

/** Element types of the bytes a checkpoint holds its weights in; anything else is handed over as float32. */
export type SourceType = 'float32' | 'float16' | 'bfloat16'

const kinds: Record<SourceType, { kind: number; bytes: number }> = {
  float32: { kind: 0, bytes: 4 },
  float16: { kind: 1, bytes: 2 },
  bfloat16: { kind: 2, bytes: 2 },
}

export interface EncodeOptions {
  /** How much each column matters, [cols], >= 0: its squared error is weighted by it. Default: all alike. */
  importance?: Float32Array | undefined
  threads?: number | undefined // default: all cores; the result is the same for any number
  layer?: string | undefined // for messages
}

const PIECE_WEIGHTS = 1 << 20

/** Blocks of whole rows. Faults 'bad-arguments' on rows that are no whole blocks and on importance that is negative or not
 *  finite, 'bad-input' on weights that are not finite or beyond what the type holds, 'unsupported' on a type without encoder. */
export function encodeRows(
  type: GgmlType,
  source: { rows: number; cols: number; weights: Float32Array },
  options: EncodeOptions = {},
): Uint8Array {
  const { weights, rows, cols } = source
  const step = Math.max(1, Math.floor(PIECE_WEIGHTS / cols))
  function* pieces() {
    for (let begin = 0; begin < rows; begin += step) {
      const part = weights.subarray(begin * cols, Math.min(begin + step, rows) * cols)
      yield new Uint8Array(part.buffer, part.byteOffset, part.byteLength)
    }
  }
  const blocks = new Uint8Array(rows * rowBytes(type, cols))
  let at = 0
  for (const part of encodeStream(type, 'float32', cols, pieces(), options)) {
    blocks.set(part, at)
    at += part.length
  }
  return blocks
}

/** The same over a stream: `source` gives the bytes of some whole rows at a time, and their blocks come back in order.
 *  The next rows are read (`source` is asked for them) while threads still encode the last ones. A yielded array stays
 *  valid until the next is asked for. `source` may reuse its own, two in turn where they lie in shared memory: those are
 *  worked on where they are. */
export function* encodeStream(
  type: GgmlType,
  sourceType: SourceType,
  cols: number,
  source: Iterable<Uint8Array>,
  options: EncodeOptions = {},
): Generator<Uint8Array, void, undefined> {
  const layer = options.layer ?? 'weight'
  const job = describe(type, sourceType, cols, options.importance, layer)
  const memory = [spare.pop() ?? emptyMemory(), spare.pop() ?? emptyMemory()] as const
  const slots = [new Slot(job, memory[0]), new Slot(job, memory[1])]
  let busy: Slot | null = null
  let [first, turn] = [0, 0]
  for (const bytes of source) {
    const slot = slots[turn++ % 2] as Slot
    slot.begin(bytes, layer, first, options.threads)
    first += slot.rows
    if (busy) yield busy.end()
    busy = slot
  }
  if (busy) yield busy.end()
  if (spare.length === 0) spare.push(...memory) // not after a failure: threads may still be at work on it
}

/** Shared memory for one piece of a stream. It goes from stream to stream: fresh memory costs as much as the encoding of a
 *  fast type. */
interface Memory {
  source: Uint8Array
  blocks: Uint8Array
}
const emptyMemory = (): Memory => ({ source: sharedBytes(0), blocks: sharedBytes(0) })
const spare: Memory[] = []

type Description = Omit<BlockRows, 'rows' | 'source' | 'blocks'> & { typeName: GgmlType }

function describe(
  type: GgmlType,
  sourceType: SourceType,
  cols: number,
  importance: Float32Array | undefined,
  layer: string,
): Description {
  const { blockSize, id } = ggmlTypes[type]
  if (!writableTypes.some((writable) => writable === type))
    throw new Fault('unsupported', `Layer ${layer}: weights cannot be written as ${type}.`, {
      hint: `Choose one of ${writableTypes.join(', ')}.`,
    })
  if (cols % blockSize !== 0)
    throw new Fault(
      'bad-arguments',
      `Layer ${layer}: rows of ${cols} weights are no whole ${type} blocks of ${blockSize}.`,
      {
        hint: 'Choose a type with smaller blocks for this layer.',
        data: { tensor: layer, expected: `a multiple of ${blockSize}`, found: `${cols}` },
      },
    )
  const weights = importance === undefined ? null : weigh(importance, cols, layer)
  const { trials, rounds, outer, reach } = effortFor(type, weights !== null)
  const { kind, bytes } = kinds[sourceType]
  return {
    typeName: type,
    type: id,
    kind,
    cols,
    rowsPerChunk: chunkRows(cols),
    sourceRowBytes: cols * bytes,
    blockRowBytes: rowBytes(type, cols),
    importance: weights,
    trials: Float32Array.from(trials),
    trialCount: trials.length / trialSize(type),
    rounds,
    outer,
    reach,
    limit: largestMagnitude(type),
    codebook: Object.hasOwn(codebookLayouts, type) ? codebookSettings(type as CodebookType) : null,
  }
}

/** One piece of the stream at a time. */
class Slot {
  rows = 0
  readonly #job: Description
  readonly #memory: Memory
  #source: Uint8Array = new Uint8Array(0)
  #task: Task | null = null
  #layer = ''
  #first = 0

  constructor(job: Description, memory: Memory) {
    this.#job = job
    this.#memory = memory
  }

  begin(bytes: Uint8Array, layer: string, first: number, threads: number | undefined): void {
    const { sourceRowBytes, blockRowBytes } = this.#job
    const memory = this.#memory
    this.rows = bytes.length / sourceRowBytes
    if (!Number.isInteger(this.rows))
      throw new Fault('internal', `Layer ${layer}: ${bytes.length} bytes are no whole rows of ${sourceRowBytes}.`)
    this.#source = bytes
    if (!(bytes.buffer instanceof SharedArrayBuffer)) {
      if (memory.source.length < bytes.length) memory.source = sharedBytes(bytes.length)
      memory.source.set(bytes)
      this.#source = memory.source
    }
    const blockBytes = this.rows * blockRowBytes
    if (memory.blocks.length < blockBytes) memory.blocks = sharedBytes(blockBytes)
    this.#layer = layer
    this.#first = first
    const rows = { ...this.#job, rows: this.rows, source: this.#source, blocks: memory.blocks }
    this.#task = start({ job: 'blocks', rows }, threads)
  }

  end(): Uint8Array {
    const { blockRowBytes, cols } = this.#job
    const bad = this.#task ? finish(this.#task) : -1
    if (bad >= 0) throw this.#fault(Math.floor(bad / cols), bad % cols)
    return this.#memory.blocks.subarray(0, this.rows * blockRowBytes)
  }

  #fault(row: number, col: number): Fault {
    const { kind, cols, typeName } = this.#job
    const at = row * cols + col
    const bytes = this.#source.slice(at * (kind === 0 ? 4 : 2), (at + 1) * (kind === 0 ? 4 : 2))
    const found = String(valueOf(bytes, kind))
    const place = `weight [${this.#first + row}, ${col}]`
    const tooLarge = Number.isFinite(Number(found))
    return new Fault('bad-input', `Layer ${this.#layer}: ${place} is ${found}, which ${typeName} cannot hold.`, {
      hint: tooLarge
        ? 'Keep this layer as BF16 or F32.'
        : 'The checkpoint is damaged, or its training diverged. Keep this layer as it is, or get the checkpoint again.',
      data: {
        tensor: this.#layer,
        expected: 'finite weights',
        found,
        offset: (this.#first + row) * cols + col,
      },
    })
  }
}

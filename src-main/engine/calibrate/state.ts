// Activations at the border of two pieces, for all calibration batches, in a file named by its SHA-256: <sha256>.state.
//
//   | "LATHEACT" | values of batch 0 | values of batch 1 | ... | weights | JSON footer | u64 footer bytes |
//                  each at a multiple of 8 bytes                            `footerSchema`: what lies where, and whose it is
//
// Written batch by batch beside its place, then renamed; read batch by batch. Weights are those of compressed layers that
// are read again behind the border.
import { createHash, type Hash } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { SourceFile } from '../checkpoint/file.ts'
import { dataTypes } from '../graph/ir.ts'
import { fromBytes } from '../runtime/tensors.ts'
import type { TensorValue } from '../runtime/types.ts'

const magic = 'LATHEACT'
const mostFooterBytes = 2 ** 28
const hashedAtOnce = 1 << 24

const place = z.object({ begin: z.int().nonnegative(), bytes: z.int().nonnegative() })
const valueSchema = place.extend({
  name: z.string(),
  dtype: z.enum(dataTypes),
  dims: z.array(z.int().nonnegative()),
})
/** Whose activations they are: they fit nothing else. */
const ownerSchema = z.object({
  network: z.string(), // fingerprint, after all rewritings
  data: z.string(), // fingerprint
  samples: z.int().positive(),
  batchSize: z.int().positive(),
  piece: z.int().positive(), // that begins here
})
const footerSchema = z.object({
  state: z.literal(1),
  owner: ownerSchema,
  batches: z.array(z.array(valueSchema)),
  weights: z.array(place.extend({ name: z.string() })), // float32, in the tensor's memory order
})
export type StateOwner = z.infer<typeof ownerSchema>
type Footer = z.infer<typeof footerSchema>

export interface StateWriter {
  batch(values: ReadonlyMap<string, TensorValue>): void
  weight(name: string, values: Float32Array): void
  finish(): { sha256: string; path: string; bytes: number }
  /** Removes what was written; after `finish` it does nothing. */
  abandon(): void
}

/** Faults 'disk' with the path and the system's reason. */
export function writeState(folder: string, owner: StateOwner): StateWriter {
  const path = join(folder, `state-${owner.piece}.${process.pid}.partial`)
  const hash = createHash('sha256')
  const footer: Footer = { state: 1, owner, batches: [], weights: [] }
  const guarded = <T>(doing: () => T): T => {
    try {
      return doing()
    } catch (error) {
      if (error instanceof Fault) throw error
      throw new Fault('disk', `Cannot write ${path}: ${error instanceof Error ? error.message : String(error)}.`, {
        hint: 'The activations between two pieces need room there: make some, or take fewer calibration samples.',
        data: { file: path },
        cause: error,
      })
    }
  }
  const file = guarded(() => {
    mkdirSync(folder, { recursive: true })
    rmSync(path, { force: true }) // left by a dead process that had this one's id
    return openSync(path, 'wx')
  })
  let at = 0
  let open = true
  const put = (bytes: Uint8Array) =>
    guarded(() => {
      hash.update(bytes)
      for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done)
      at += bytes.length
    })
  const padded = (bytes: Uint8Array) => {
    const begin = at
    put(bytes)
    if (at % 8 !== 0) put(new Uint8Array(8 - (at % 8)))
    return { begin, bytes: bytes.length }
  }
  put(new TextEncoder().encode(magic))
  return {
    batch(values) {
      footer.batches.push(
        [...values].map(([name, { dtype, dims, data }]) => ({ name, dtype, dims, ...padded(bytesOf(data)) })),
      )
    },
    weight(name, values) {
      footer.weights.push({ name, ...padded(bytesOf(values)) })
    },
    finish: () =>
      guarded(() => {
        const json = new TextEncoder().encode(JSON.stringify(footer))
        put(json)
        const length = new Uint8Array(8)
        new DataView(length.buffer).setBigUint64(0, BigInt(json.length), true)
        put(length)
        fsyncSync(file)
        closeSync(file)
        open = false
        const sha256 = hash.digest('hex')
        const final = join(folder, `${sha256}.state`)
        renameSync(path, final)
        return { sha256, path: final, bytes: at }
      }),
    abandon() {
      if (!open) return
      open = false
      closeSync(file)
      rmSync(path, { force: true })
    },
  }
}

export interface State {
  batches: number
  batch(index: number): Map<string, TensorValue>
  weights(): Map<string, Float32Array>
  close(): void
}

/** Opens a state after a look that it is whole and belongs to this run. Faults 'not-found', 'disk', 'bad-input'. */
export function openState(path: string, owner: StateOwner): State {
  const file = new SourceFile(path)
  try {
    const sha256 = digest(file)
    if (`${sha256}.state` !== basename(path)) throw damaged(path, `its SHA-256 is ${sha256}`)
    const footer = readFooter(file)
    for (const key of ['network', 'data', 'samples', 'batchSize', 'piece'] as const)
      if (footer.owner[key] !== owner[key]) throw foreign(path, key, `${owner[key]}`, `${footer.owner[key]}`)
    const bytes = ({ begin, bytes }: { begin: number; bytes: number }) => file.read(begin, begin + bytes)
    return {
      batches: footer.batches.length,
      batch: (index) =>
        new Map(
          (footer.batches[index] ?? []).map((value) => [value.name, fromBytes(value.dtype, value.dims, bytes(value))]),
        ),
      weights: () => new Map(footer.weights.map((weight) => [weight.name, new Float32Array(bytes(weight).buffer)])),
      close: () => file.close(),
    }
  } catch (error) {
    file.close()
    throw error
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: TensorValue['data']): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

function digest(file: SourceFile): string {
  const hash: Hash = createHash('sha256')
  const piece = new Uint8Array(Math.min(hashedAtOnce, file.size))
  for (let at = 0; at < file.size; at += piece.length) {
    const part = piece.subarray(0, Math.min(piece.length, file.size - at))
    file.readInto(at, part)
    hash.update(part)
  }
  return hash.digest('hex')
}

function readFooter(file: SourceFile): Footer {
  if (file.size < 16) throw damaged(file.path, `it has ${file.size} bytes`)
  const length = new DataView(file.read(file.size - 8, file.size).buffer).getBigUint64(0, true)
  if (length > BigInt(Math.min(mostFooterBytes, file.size - 16))) throw damaged(file.path, 'its footer is too long')
  const json = file.read(file.size - 8 - Number(length), file.size - 8)
  let parsed: unknown = null
  try {
    parsed = JSON.parse(new TextDecoder().decode(json))
  } catch {
    // told below
  }
  const checked = footerSchema.safeParse(parsed)
  if (!checked.success) throw damaged(file.path, `its description is wrong: ${z.prettifyError(checked.error)}`)
  return checked.data
}

const again = 'Delete it and begin the run again: it goes back as far as it must.'

const damaged = (path: string, why: string): Fault =>
  new Fault('bad-input', `The activations ${path} are damaged: ${why}.`, { hint: again, data: { file: path } })

const foreign = (path: string, what: string, expected: string, found: string): Fault =>
  new Fault('bad-input', `The activations ${path} belong to another run: ${what} is ${found}, not ${expected}.`, {
    hint: again,
    data: { file: path, field: what, expected, found },
  })

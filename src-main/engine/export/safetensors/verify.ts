import { Buffer } from 'node:buffer'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Network } from '../../checkpoint/network.ts'
import { dequantizeRows } from '../../quantize/dequantize.ts'
import type { QuantizedMatrix } from '../../quantize/types.ts'
import type { CodedMatrix } from '../../quantize/codings/define.ts'
import type { StoredMatrix } from '../onnx/form.ts'
import type { ArtifactReader } from '../onnx/weights.ts'
import { openPacked } from './read.ts'

/** Bytes of a tensor read at a time. */
export const CHUNK_BYTES = 1 << 24

/** [begin, end) over `bytes`, a chunk at a time. */
export function* chunksOf(bytes: number): Generator<{ begin: number; end: number }> {
  for (let begin = 0; begin < bytes; begin += CHUNK_BYTES) yield { begin, end: Math.min(begin + CHUNK_BYTES, bytes) }
}

/** Reads the written file as any program would: unpacks every compressed weight and compares it with the variant's, and
 *  every other tensor with the checkpoint's. Gives what was checked, in words; Fault 'verification' on any difference. */
export function verifyPacked(
  path: string,
  network: Network,
  compressed: ReadonlySet<string>,
  artifacts: ArtifactReader,
  progress: (fraction: number, step: string) => void,
): string[] {
  const file = openPacked(path)
  try {
    const parts = new Set([...compressed].flatMap((name) => file.partsOf(name)))
    if (file.fingerprint !== network.fingerprint) throw differs(path, '', 'it names another checkpoint')
    if (file.weights.size !== compressed.size) throw differs(path, '', `it lists ${file.weights.size} weights`)
    const { tensors } = network.source
    const kept = [...tensors.values()].filter(({ name }) => !compressed.has(name))
    const strays = [...file.source.tensors.keys()].filter((name) => !parts.has(name) && !tensors.has(name))
    if (strays[0] !== undefined) throw differs(path, strays[0], 'it is no tensor of the checkpoint')
    const total = tensors.size
    let done = 0
    let codes = 0
    const step = (name: string): void => progress(done++ / total, `checking ${name}`)
    for (const name of compressed) {
      step(name)
      const wanted = artifacts(name)
      compare(path, name, file.read(name), wanted)
      codes += wanted.rows * wanted.cols
    }
    let keptBytes = 0
    for (const { name, bytes, dtype, shape } of kept) {
      step(name)
      const found = file.source.tensors.get(name)
      if (found?.dtype !== dtype || found.shape.join() !== shape.join())
        throw differs(path, name, 'its type or shape is')
      keptBytes += bytes
      for (const range of chunksOf(bytes)) {
        if (Buffer.compare(file.source.read(name, range), network.source.read(name, range)) !== 0)
          throw differs(path, name, 'its bytes are')
      }
    }
    return words(compressed.size, codes, kept.length, keptBytes, network)
  } finally {
    file.close()
  }
}

function words(compressed: number, codes: number, kept: number, keptBytes: number, { graph }: Network): string[] {
  return [
    `Reopened and unpacked: ${codes} codes of ${compressed} compressed tensors, their scales and zero points equal the variant's bit for bit, and so do the weights they stand for`,
    `${kept} other tensors (${keptBytes} bytes) equal the checkpoint's byte for byte`,
    `Not run: ${graph === null ? 'there is no graph' : 'this format holds no graph; export as ONNX for a file that runs'}`,
  ]
}

const bits = (values: Float32Array): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

function compare(path: string, name: string, found: StoredMatrix, wanted: StoredMatrix): void {
  if ('coding' in wanted) {
    if (!('coding' in found)) throw differs(path, name, 'its form is')
    compareParts(path, name, found, wanted)
  } else if ('coding' in found) throw differs(path, name, 'its form is')
  else compareGrid(path, name, found, wanted)
  const step = Math.max(1, Math.floor(CHUNK_BYTES / 4 / wanted.cols))
  for (let begin = 0; begin < wanted.rows; begin += step) {
    const end = Math.min(begin + step, wanted.rows)
    const [weights, variant] = [dequantizeRows(found, begin, end), dequantizeRows(wanted, begin, end)]
    if (Buffer.compare(bits(weights), bits(variant)) !== 0) throw differs(path, name, 'its weights are')
  }
}

function compareParts(path: string, name: string, found: CodedMatrix, wanted: CodedMatrix): void {
  const words = ({ rows, cols, coding, settings, parts }: CodedMatrix) =>
    JSON.stringify([rows, cols, coding, Object.entries(settings).sort(), Object.keys(parts).sort()])
  if (words(found) !== words(wanted)) throw differs(path, name, 'its description is')
  for (const [part, { data }] of Object.entries(wanted.parts))
    if (Buffer.compare(found.parts[part]?.data ?? new Uint8Array(), data) !== 0) throw differs(path, name, `its ${part} are`) // prettier-ignore
}

function compareGrid(path: string, name: string, found: QuantizedMatrix, wanted: QuantizedMatrix): void {
  for (const field of ['rows', 'cols', 'bits', 'symmetric', 'groupSize', 'groups', 'scaleType'] as const) {
    if (found[field] !== wanted[field]) throw differs(path, name, `its ${field} is`)
  }
  if (Buffer.compare(found.codes, wanted.codes) !== 0) throw differs(path, name, 'its codes are')
  if (Buffer.compare(bits(found.scales), bits(wanted.scales)) !== 0) throw differs(path, name, 'its scales are')
  if (Buffer.compare(found.zeros, wanted.zeros) !== 0) throw differs(path, name, 'its zero points are')
}

const differs = (path: string, tensor: string, what: string): Fault =>
  new Fault('verification', `${path}: ${tensor || 'the written file'}: ${what} not what was meant. It was removed.`, {
    hint: 'This is a defect of the exporter, or the checkpoint changed meanwhile: export again.',
    data: { file: path, ...(tensor === '' ? {} : { tensor }) },
  })

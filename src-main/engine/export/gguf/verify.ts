// The check of a written file: opened again as any GGUF file, by the reader that opens those of strangers. (That every
// byte stands as it was written is checked before, checked-file.ts.)
import { Buffer } from 'node:buffer'
import { join } from 'node:path'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { fromFloat32, toFloat32 } from '../../checkpoint/convert.ts'
import { SourceFile } from '../../checkpoint/file.ts'
import { readGgufHeader } from '../../checkpoint/gguf/header.ts'
import type { Network, TensorInfo } from '../../checkpoint/network.ts'
import { openNetwork } from '../../checkpoint/open.ts'
import { readMatrix } from '../../checkpoint/weights.ts'
import { bitsOf } from '../../graph/ir.ts'
import type { ChosenPart, ChosenTensor } from './choose.ts'
import { encodeHead } from './container.ts'
import type { Contents } from './content.ts'
import type { PlannedFile } from './split.ts'
import { layoutOf } from './layout.ts'
import { expectedRows } from './expected.ts'

const SAMPLED_ROWS = 4 // of each weight: the first, the last and two between

/** Gives what was checked, in words; Fault 'verification' on any difference. */
export function verifyWritten(
  folder: string,
  files: readonly PlannedFile[],
  heads: readonly Uint8Array[],
  contents: Contents,
  progress: (fraction: number, step: string) => void,
): string[] {
  for (const [index, { name }] of files.entries()) checkHead(join(folder, name), heads[index] as Uint8Array)
  const path = join(folder, (files[0] as PlannedFile).name)
  const written = openNetwork(path)
  try {
    const tensors = files.flatMap((file) => file.tensors)
    // The reopened model may spell its names otherwise (GPT-2 without a prefix, the language half of a larger model).
    const again = new Map(layoutOf(written).tensors.map((tensor) => [tensor.name, tensor.parts]))
    let [rows, weights] = [0, 0]
    for (const [index, chosen] of tensors.entries()) {
      progress(index / tensors.length, `checking ${chosen.tensor.name}`)
      for (const [i, part] of chosen.parts.entries()) {
        const name = again.get(chosen.tensor.name)?.[i]?.info.name ?? ''
        rows += checkPart(path, { written, name }, chosen, part, contents)
        weights++
      }
    }
    return [
      'Every byte was read back and compared as it was written',
      `Reopened: ${files.length === 1 ? 'the file holds' : `${files.length} files hold`} the ${tensors.length} tensors and the metadata that were meant`,
      `${rows} rows of ${weights} weights, decoded and put back in the checkpoint's order, equal the variant's bit for bit`,
      'Not run here: llama.cpp loads this format',
    ]
  } finally {
    written.source.close()
  }
}

/** Reads the head and writes it again from what was understood: the same bytes. */
function checkHead(path: string, head: Uint8Array): void {
  const file = new SourceFile(path)
  try {
    const { metadata, tensors } = readGgufHeader(file)
    const entries = tensors.map(({ name, shape, type, begin }) => ({ name, shape, type, offset: begin - head.length }))
    if (Buffer.compare(encodeHead(metadata, entries), head) !== 0)
      throw differs(path, '', 'its metadata and tensor list are')
  } finally {
    file.close()
  }
}

function checkPart(
  path: string,
  { written, name }: { written: Network; name: string },
  { tensor, type }: ChosenTensor,
  chosen: ChosenPart,
  contents: Contents,
): number {
  const { part } = chosen
  const found = written.source.tensors.get(name)
  if (!found) throw differs(path, part.info.name, 'where it is read again is')
  if (tensor.skip > 0) return 0 // rows that nobody reads are not in the file
  const picked = [...new Set(Array.from({ length: SAMPLED_ROWS }, (_, i) => Math.floor(((part.rows - 1) * i) / (SAMPLED_ROWS - 1))))] // prettier-ignore
  const expected = expectedRows(tensor, type, chosen, picked, contents)
  for (const [i, row] of picked.entries()) {
    const is = writtenRow(written, found, tensor, row)
    const wanted = expected[i] as Float32Array
    const same =
      tensor.plus === 0
        ? Buffer.compare(fromFloat32(is, found.dtype), fromFloat32(wanted, found.dtype)) === 0
        : is.every((value, at) => Math.abs(value - (wanted[at] as number)) < 1e-6) // added and taken away again
    if (!same || is.length !== wanted.length) throw differs(path, name, `row ${row} is`)
  }
  return picked.length
}

/** A row as output channel, from the reopened file. */
function writtenRow(
  written: Network,
  found: TensorInfo,
  { transposed, cols }: ChosenTensor['tensor'],
  row: number,
): Float32Array {
  const layer = written.layers.find(({ name }) => name === found.name)
  if (transposed && layer) return readMatrix(written, layer, { begin: row, end: row + 1 }).data
  const bytes = (cols * bitsOf[found.dtype]) / 8
  return toFloat32(written.source.read(found.name, { begin: row * bytes, end: (row + 1) * bytes }), found.dtype)
}

const differs = (path: string, tensor: string, what: string): Fault =>
  new Fault('verification', `${path}: ${tensor || 'the written file'}: ${what} not what was meant. It was removed.`, {
    hint: 'This is a defect of the exporter, or the checkpoint changed meanwhile: export again.',
    data: { file: path, ...(tensor === '' ? {} : { tensor }) },
  })

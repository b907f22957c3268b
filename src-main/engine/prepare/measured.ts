// Numbers a rewriting measured, kept as an artifact: float32 tensors in a safetensors file named by its content.
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { SourceFile } from '../checkpoint/file.ts'
import { readSafetensorsHeader } from '../checkpoint/safetensors-header.ts'
import { encodeSafetensors, type TensorToWrite } from '../checkpoint/safetensors.ts'
import { writeWhole } from '../quantize/write.ts'
import type { Measured } from './define.ts'

export function writeMeasured(folder: string, measured: Measured): { sha256: string; path: string; bytes: number } {
  const tensors: Record<string, TensorToWrite> = {}
  for (const [name, values] of [...measured].sort(([a], [b]) => (a < b ? -1 : 1)))
    tensors[name] = {
      dtype: 'float32',
      shape: [values.length],
      data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    }
  const contents = encodeSafetensors(tensors, {})
  const sha256 = createHash('sha256').update(contents).digest('hex')
  const path = join(folder, `${sha256}.prepared.safetensors`)
  writeWhole(path, contents)
  return { sha256, path, bytes: contents.length }
}

/** Faults 'not-found', 'bad-input'. */
export function readMeasured(path: string): Measured {
  const file = new SourceFile(path)
  try {
    const { entries } = readSafetensorsHeader(file)
    return new Map(
      entries.map(({ name, dtype, begin, end }): [string, Float32Array] => {
        if (dtype !== 'float32')
          throw new Fault('bad-input', `${path}: ${name} is ${dtype}, not float32.`, {
            data: { file: path, tensor: name },
          })
        return [name, new Float32Array(file.read(begin, end).slice().buffer)]
      }),
    )
  } finally {
    file.close()
  }
}

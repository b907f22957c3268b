import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { encodeSafetensors } from '../../../src-main/engine/checkpoint/safetensors.ts'
import { random } from '../../../src-main/engine/data/random.ts'
import { temporaryFolder } from '../score/network.ts'

/** A checkpoint of tensors only: a convolution, a matrix, and a name that the parts of a coded weight could want. */
export function packedSample() {
  const source = random(7)
  const floats = (length: number) =>
    new Uint8Array(Float32Array.from({ length }, () => source.normal()).buffer as ArrayBuffer)
  const path = join(temporaryFolder(), 'sample.safetensors')
  const tensors = {
    'conv.weight': { dtype: 'float32' as const, shape: [32, 16, 3, 3], data: floats(32 * 16 * 9) },
    'head.weight': { dtype: 'float32' as const, shape: [72, 96], data: floats(72 * 96) },
    'conv.weight.values': { dtype: 'uint8' as const, shape: [3], data: new Uint8Array([1, 2, 3]) },
  }
  writeFileSync(path, encodeSafetensors(tensors, {}))
  return openNetwork(path)
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bytesOf, readPytorch } from '../../../src-main/engine/checkpoint/pytorch/read.ts'
import { bytesRange } from '../../../src-main/engine/checkpoint/onnx/wire.ts'
import { archive, legacy } from '../../corpus/pickle.ts'
import type { FuzzTarget } from '../target.ts'
import { pickles } from './pickle.ts'
import { zips } from './zip.ts'

/** Files of torch.save itself, the small ones. */
const golden = (): Uint8Array[] => {
  const text = readFileSync(join(import.meta.dirname, '../../golden/pytorch_files.json'), 'utf8')
  const { cases } = JSON.parse(text) as { cases: { file: string }[] }
  return cases.map(({ file }) => new Uint8Array(Buffer.from(file, 'base64'))).filter((bytes) => bytes.length < 3000)
}

/** A whole file, and every tensor it claims to hold. */
export const pytorch: FuzzTarget = {
  name: 'pytorch',
  seeds: () => [archive(), legacy(), ...golden()],
  run(bytes) {
    const file = readPytorch(bytesRange(bytes, 'fuzz.pt'))
    for (const [name, tensor] of file.tensors) {
      const size = bytesOf(tensor)
      if (file.read(name, 0, size).length !== size) throw new Error(`tensor ${name} does not have its ${size} bytes`)
    }
  },
  dictionary: [...(pickles.dictionary ?? []), ...(zips.dictionary ?? [])],
  ...(zips.mend && { mend: zips.mend }),
}

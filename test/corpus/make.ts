// The inputs of test/corpus/manifest.json, made at test time: no binaries in the repository. By hand:
//   node test/corpus/make.ts FOLDER        writes every case into FOLDER/<id>/
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { chatCases } from './cases/chat.ts'
import { dataCases } from './cases/data.ts'
import { folderCases } from './cases/folders.ts'
import { foreignCases } from './cases/foreign.ts'
import { ggufCases } from './cases/gguf.ts'
import type { Make } from './cases/make.ts'
import { onnxCases } from './cases/onnx.ts'
import { packedCases } from './cases/packed.ts'
import { pytorchCases } from './cases/pytorch.ts'
import { recipeCases } from './cases/recipes.ts'
import { safetensorsCases } from './cases/safetensors.ts'
import { targetCases } from './cases/targets.ts'
import { tokenizerCases } from './cases/tokenizers.ts'
import { zipCases } from './cases/zip.ts'

const kinds = [
  safetensorsCases,
  folderCases,
  foreignCases,
  ggufCases,
  packedCases,
  pytorchCases,
  zipCases,
  onnxCases,
  dataCases,
  tokenizerCases,
  chatCases,
  recipeCases,
  targetCases,
]

export const corpus: ReadonlyMap<string, Make> = new Map(kinds.flatMap((cases) => Object.entries(cases)))

/** Makes one case in a folder of its own below `base`; returns the path to open. */
export function makeCase(id: string, base: string): string {
  const make = corpus.get(id)
  if (!make) throw new Error(`no corpus case ${id}`)
  const folder = join(base, id)
  mkdirSync(folder, { recursive: true })
  return make(folder)
}

if (process.argv[1] === import.meta.filename) {
  const [target] = process.argv.slice(2)
  if (!target) throw new Error('usage: node test/corpus/make.ts FOLDER')
  for (const id of corpus.keys()) process.stdout.write(`${id}\t${makeCase(id, target)}\n`)
}

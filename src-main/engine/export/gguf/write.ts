import { join } from 'node:path'
import type { TaskContext } from '../../protocol.ts'
import type { ExportArguments, Exported } from '../define.ts'
import { writeCard } from '../card/write.ts'
import { manifestOf } from '../manifest.ts'
import { openStaging, type StagedFile } from '../staging.ts'
import { checkFile, chooseTarget, type Target, unmake } from '../target.ts'
import { chooseTypes } from './choose.ts'
import type { Contents } from './content.ts'
import { type Head, headOf, writeFile } from './file.ts'
import { metadataOf } from './head.ts'
import { layoutOf } from './layout.ts'
import { ggufParameters } from './parameters.ts'
import { type PlannedFile, splitFiles } from './split.ts'
import { verifyWritten } from './verify.ts'

const FORMAT = 'gguf'
const TITLE = 'GGUF'
const WRITING = 0.9 // share of the time; the rest is the check

/** Writes the variant as GGUF, checks it, and only then gives it its name. Memory: some pieces of one tensor, or the
 *  largest artifact. */
export function exportGguf(args: ExportArguments, context: TaskContext): Promise<Exported> {
  return Promise.resolve().then(() => {
    const parameters = ggufParameters.parse(args.parameters ?? {})
    const { network } = args
    const layout = layoutOf(network)
    const chosen = chooseTypes(network, layout, args)
    const metadata = metadataOf(network, layout, chosen, parameters.preTokenizer ?? null)
    if (layout.left.length > 0)
      context.notify(`${layout.left.length} tensors have no place in GGUF and are left out: ${layout.left.slice(0, 3).join(', ')}`) // prettier-ignore
    const mixed = chosen.filter(({ type, parts }) => parts.some((part) => part.type !== type))
    if (mixed[0])
      context.notify(`${mixed.length} tensors hold weights with different options, of which GGUF takes one for all: they get the widest (${mixed[0].tensor.name}: ${mixed[0].type})`) // prettier-ignore
    const target = chooseTarget(args.path, '.gguf', network, args.overwrite)
    try {
      return writeInto(target, splitFiles(target.file, metadata, chosen, parameters.splitBytes), args, context)
    } catch (error) {
      unmake(target)
      throw error
    }
  })
}

function writeInto(
  target: Target,
  planned: readonly PlannedFile[],
  args: ExportArguments,
  context: TaskContext,
): Exported {
  const { network, artifacts, overwrite, plannedBytes } = args
  const names = planned.map(({ name }) => name)
  for (const name of names) checkFile(join(target.folder, name), network, overwrite)
  const heads = planned.map(headOf)
  const total = heads.reduce((sum, { bytes }) => sum + bytes, 0)
  const contents: Contents = { network, importance: args.importance ?? null }
  const staging = openStaging(target.folder, total)
  try {
    let done = 0
    const files = planned.map((file, index): StagedFile => {
      const { head, bytes } = heads[index] as Head
      const size = (sent: number, step: string) =>
        context.progress({ fraction: (WRITING * (done + sent)) / total, step: `writing ${step}` })
      const written = writeFile(join(staging.folder, file.name), file, head, bytes, contents, size)
      done += bytes
      return { name: file.name, ...written }
    })
    const verified = verifyWritten(staging.folder, planned, heads.map(({ head }) => head), contents, (fraction, step) =>
      context.progress({ fraction: WRITING + (1 - WRITING) * fraction, step }),
    ) // prettier-ignore
    const manifest = `${target.file.replace(/\.gguf$/i, '')}.lathe.json`
    const card = writeCard(staging, target, '.gguf', overwrite, {
      ...{ network, format: TITLE, files, artifacts, options: args.options, rows: args.card, verified, manifest },
      loads: [{ runtime: 'llama.cpp', line: `llama-cli -m ${names[0]}` }],
      library: 'gguf',
    })
    const said = { format: FORMAT, files, besides: [card], plannedBytes, verified, options: args.options }
    staging.write(manifest, (sink) => sink(manifestOf(network, artifacts, said)))
    for (const name of names) checkFile(join(target.folder, name), network, overwrite)
    for (const name of [card.name, manifest]) checkFile(join(target.folder, name), network, true)
    staging.publish(names, overwrite)
    staging.publish([card.name, manifest], true)
    context.progress({ fraction: 1, step: 'done' })
    return {
      format: FORMAT,
      folder: target.folder,
      files: files.map(({ name, bytes, sha256 }) => ({ path: join(target.folder, name), bytes, sha256 })),
      verified: [...verified, `Beside it: ${card.name}, ${manifest}`],
      plannedBytes,
    }
  } finally {
    staging.remove()
  }
}

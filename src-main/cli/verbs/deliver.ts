import { existsSync, readdirSync, statSync } from 'node:fs'
import { extname, join, resolve } from 'node:path'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { formatsFor } from '../../../src-preload/contract/methods.ts'
import type { Recipe } from '../../../src-preload/contract/plan.ts'
import type { ExportResult } from '../../../src-preload/contract/results.ts'
import { formatBytes, formatMetric, formatTable } from '../format.ts'
import { evaluationDocument, latestEvaluation } from '../output.ts'
import type { Parameters } from '../parameters.ts'
import { sayPreflight } from '../preflight.ts'
import { requireMethod, type Session } from '../session.ts'

interface Target {
  out: string
  format: string
  parameters?: Parameters
  overwrite?: boolean
  evaluate: boolean
}

/** What a person's own project plans for; undefined where there is none yet. */
async function formatOfProject({ client }: Session, folder: string | undefined): Promise<string | undefined> {
  if (folder === undefined || !existsSync(join(resolve(folder), 'lathe.sqlite'))) return undefined
  return (await client.call('project.open', { folder: resolve(folder) })).format ?? undefined
}

/** Tells before hours of work what would stop the export after them: a format that is unknown or does not fit, a name that
 *  is taken. Gives the format. */
export async function checkTarget(
  session: Session,
  model: string,
  { format: asked, out, overwrite, project }: { format?: string; out: string; overwrite?: boolean; project?: string },
): Promise<string> {
  const format = asked ?? (await formatOfProject(session, project))
  if (format !== undefined) await requireMethod(session, 'export', format)
  const checkpoint = await session.client.call('checkpoint.inspect', { path: resolve(model) })
  const methods = await session.client.call('method.list', {})
  const fitting = formatsFor(methods, checkpoint)
  const chosen = format === undefined ? fitting[0] : fitting.find(({ id }) => id === format)
  const why = checkpoint.exports.find((each) => each.format === format)?.reason ?? 'no format fits it'
  if (!chosen?.file)
    throw new Fault('unsupported', `${checkpoint.name} cannot be exported as "${format ?? 'any format'}": ${why}.`, {
      hint: `For this checkpoint: ${fitting.map(({ id }) => id).join(', ')}.`,
      data: { field: 'format', found: format ?? '' },
    })
  const path = resolve(out)
  const { extension } = chosen.file
  const found = extname(path).toLowerCase()
  if (found !== '' && found !== extension && methods.some((method) => method.file?.extension === found))
    throw new Fault('bad-arguments', `${out}: a file of ${chosen.title} ends in ${extension}.`, {
      hint: `Name it ${extension}, name a folder, or give another --format.`,
      data: { field: 'out', expected: extension, found },
    })
  const file = extension === '' || found === extension ? path : join(path, `model${extension}`)
  if (overwrite !== true && existsSync(file) && !isEmptyFolder(file))
    throw new Fault('conflict', `${file} already exists.`, {
      hint: 'Choose another name, or give --overwrite.',
      data: { file },
    })
  return chosen.id
}

const isEmptyFolder = (path: string): boolean => statSync(path).isDirectory() && readdirSync(path).length === 0

export type Delivery = Awaited<ReturnType<typeof deliver>>

/** Carries out a recipe, measures it and exports it: the second half of `run`, `compress` and `demo`. */
export async function deliver(session: Session, project: string, recipe: Recipe, target: Target) {
  await sayPreflight(session, project, { kind: 'run', recipes: [recipe], evaluate: target.evaluate })
  const job = await session.finish(
    await session.client.call('run.start', { project, recipe, evaluate: target.evaluate }),
  )
  const id = job.result
  if (id === null) throw new Fault('internal', 'The run left no variant.')
  const path = resolve(target.out)
  const { format, parameters } = target
  const exporting = { project, variant: id, format, parameters, path, overwrite: target.overwrite === true }
  const exported = await session.finish(await session.client.call('export.start', exporting))
  const after = await session.client.call('project.get', { project })
  const variant = after.variants.find((each) => each.id === id)
  const made = after.exports.find((each) => each.id === exported.result)
  if (!variant || !made) throw new Fault('internal', `The run left no variant or export in ${project}.`)
  const before = target.evaluate ? latestEvaluation(after, null) : undefined
  const own = target.evaluate ? latestEvaluation(after, id) : undefined
  return {
    original: { ...(before ? evaluationDocument(before) : {}), bytes: after.checkpoint.bytes },
    variant: {
      id,
      name: variant.name,
      averageBits: variant.averageBits,
      predicted: { bytes: variant.bytes, loss: variant.predictedLoss },
      ...(own ? evaluationDocument(own) : {}),
      bytes: modelBytes(made),
    },
    files: made.files,
    verified: made.verified,
  }
}

/** Bytes of what a runtime loads: the model and its weights, not the tokenizer and reports beside them. */
const modelBytes = (made: ExportResult): number =>
  made.files
    .filter(({ path }) => /\.(onnx|data|safetensors|gguf)$/.test(path))
    .reduce((sum, file) => sum + file.bytes, 0)

export function deliveryWords(delivery: Delivery): string {
  const { original, variant } = delivery
  const before: Record<string, number> = original.metrics ?? {}
  const after: Record<string, number> = variant.metrics ?? {}
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  const show = (metrics: Record<string, number>, name: string) =>
    metrics[name] === undefined ? '–' : formatMetric(name, metrics[name])
  return [
    formatTable(
      ['', 'original', variant.name],
      [
        ['size', formatBytes(original.bytes), formatBytes(variant.bytes)],
        ...names.map((name) => [name, show(before, name), show(after, name)]),
      ],
    ),
    '',
    ...delivery.files.map((file) => `${file.path}  ${formatBytes(file.bytes)}  sha256 ${file.sha256}`),
    ...delivery.verified.map((fact) => `verified: ${fact}`),
  ].join('\n')
}

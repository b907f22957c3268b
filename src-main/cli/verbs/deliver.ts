import { existsSync } from 'node:fs'
import { extname, join, resolve } from 'node:path'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { formatsFor } from '../../../src-preload/contract/methods.ts'
import type { Recipe } from '../../../src-preload/contract/plan.ts'
import type { ExportResult } from '../../../src-preload/contract/results.ts'
import { formatBytes, formatMetric, formatTable } from '../format.ts'
import { evaluationDocument, latestEvaluation } from '../output.ts'
import { requireMethod, type Session } from '../session.ts'

interface Target {
  out: string
  format: string
  overwrite?: boolean
  evaluate: boolean
}

/** Tells before hours of work what would stop the export after them: a format that is unknown or does not fit, a name that
 *  is taken. Gives the format. */
export async function checkTarget(
  session: Session,
  model: string,
  { format, out, overwrite }: { format?: string; out: string; overwrite?: boolean },
): Promise<string> {
  if (format !== undefined) await requireMethod(session, 'export', format)
  const checkpoint = await session.client.call('checkpoint.inspect', { path: resolve(model) })
  const methods = await session.client.call('method.list', {})
  const fitting = formatsFor(methods, checkpoint)
  const chosen = format === undefined ? fitting[0] : fitting.find(({ id }) => id === format)
  if (!chosen?.file)
    throw new Fault('unsupported', `${checkpoint.name} cannot be exported as "${format ?? 'any format'}".`, {
      hint: `For this checkpoint: ${fitting.map(({ id }) => id).join(', ')}.`,
      data: { field: 'format', found: format ?? '' },
    })
  const path = resolve(out)
  const { extension } = chosen.file
  const found = extname(path).toLowerCase()
  if (found !== extension && methods.some((method) => method.file?.extension === found))
    throw new Fault('bad-arguments', `${out}: a file of ${chosen.title} ends in ${extension}.`, {
      hint: `Name it ${extension}, name a folder, or give another --format.`,
      data: { field: 'out', expected: extension, found },
    })
  const file = found === extension ? path : join(path, `model${extension}`)
  if (overwrite !== true && existsSync(file))
    throw new Fault('conflict', `${file} already exists.`, {
      hint: 'Choose another name, or give --overwrite.',
      data: { file },
    })
  return chosen.id
}

export type Delivery = Awaited<ReturnType<typeof deliver>>

/** Carries out a recipe, measures it and exports it: the second half of `run`, `compress` and `demo`. */
export async function deliver(session: Session, project: string, recipe: Recipe, target: Target) {
  const job = await session.finish(
    await session.client.call('run.start', { project, recipe, evaluate: target.evaluate }),
  )
  const id = job.result
  if (id === null) throw new Fault('internal', 'The run left no variant.')
  const path = resolve(target.out)
  const exporting = { project, variant: id, format: target.format, path, overwrite: target.overwrite === true }
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
  made.files.filter(({ path }) => /\.(onnx|data|safetensors)$/.test(path)).reduce((sum, file) => sum + file.bytes, 0)

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

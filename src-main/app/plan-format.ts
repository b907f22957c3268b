import { Fault } from '../../src-preload/contract/fault.ts'
import type { CheckpointSummary } from '../../src-preload/contract/model.ts'
import { canEvaluate, type Subject } from './projects.ts'

/** Formats that fit a checkpoint, its default first. Summaries kept by an older Lathe know none: then it is what that one did. */
export function fittingFormats({ exports, task }: CheckpointSummary): string[] {
  if (exports.length === 0) return [task === 'none' ? 'safetensors' : 'onnx']
  return exports.flatMap(({ format, reason }) => (reason === null ? [format] : []))
}

/** The export format plans are made for: the project's own choice while it fits, else the first that fits; null: none. */
export function chosenFormat({ row, checkpoint }: Subject): string | null {
  const fitting = fittingFormats(checkpoint.summary)
  return fitting.find((format) => format === row.format) ?? fitting[0] ?? null
}

/** The same, where there must be one. */
export function planFormat(subject: Subject): string {
  const format = chosenFormat(subject)
  if (format !== null) return format
  const { summary, path } = subject.checkpoint
  throw new Fault('unsupported', `No export format holds variants of ${summary.name}.`, { data: { file: path } })
}

/** The format, when it fits; else a Fault that says why it does not. */
export function requireFormat({ checkpoint: { summary } }: Subject, wanted: string): string {
  const fitting = fittingFormats(summary)
  if (fitting.includes(wanted)) return wanted
  const found = summary.exports.find(({ format }) => format === wanted)
  const more = { hint: `For this checkpoint: ${fitting.join(', ')}.`, data: { field: 'format', found: wanted } }
  if (!found) throw new Fault('bad-arguments', `There is no export format "${wanted}".`, more)
  throw new Fault('unsupported', `${summary.name} cannot be exported as "${wanted}": ${found.reason}.`, more)
}

/** Whether the importance of channels can be measured: the network must run, on something. */
export const canWeigh = canEvaluate

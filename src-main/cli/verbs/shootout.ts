import { Fault } from '../../../src-preload/contract/fault.ts'
import type { CheckpointSummary } from '../../../src-preload/contract/model.ts'
import type { MethodSummary } from '../../../src-preload/contract/methods.ts'
import type { Shootout, ShootoutRow } from '../../../src-preload/contract/shootout.ts'
import { formatDuration, formatTable } from '../format.ts'
import { print } from '../output.ts'
import { type CommonOptions, openWork, withSession } from '../session.ts'

interface Options extends CommonOptions {
  data?: string
  layer: string
  methods?: string[]
}

/** The layer of that name, or the only one whose name holds those words. */
export function layerNamed({ path, layers }: CheckpointSummary, words: string): string {
  const names = layers.filter(({ compressible }) => compressible).map(({ name }) => name)
  if (layers.some(({ name }) => name === words)) return words
  const found = names.filter((name) => name.includes(words))
  if (found.length === 1) return found[0] as string
  const shown = (found.length > 0 ? found : names).slice(0, 8).join(', ')
  throw new Fault(
    found.length === 0 ? 'not-found' : 'bad-arguments',
    found.length === 0 ? `There is no layer "${words}".` : `"${words}" fits ${found.length} layers.`,
    {
      hint: `One of: ${shown}${Math.max(found.length, names.length) > 8 ? ' …' : ''}. See lathe inspect.`,
      data: { file: path, tensor: words },
    },
  )
}

/** Least error first at each width; what could not be done, last. */
const byError = (a: ShootoutRow, b: ShootoutRow): number => {
  const error = ({ outputError, weightError }: ShootoutRow): number => outputError ?? weightError ?? Infinity
  const bits = ({ bitsPerWeight }: ShootoutRow): number => bitsPerWeight ?? Infinity
  return bits(a) - bits(b) || error(a) - error(b) || 0
}

export const shootout = (model: string, options: Options): Promise<void> =>
  withSession(options, async (session) => {
    const { client, say } = session
    const opened = await openWork(session, model, options, options.data)
    const layer = layerNamed(opened.checkpoint, options.layer)
    const project = opened.folder
    const methods = options.methods ?? null
    await session.finish(await client.call('shootout.start', { project, layer, methods }))
    const all = await client.call('shootout.get', { project, layer })
    const rows = all.rows.filter(({ method }) => methods?.includes(method) ?? true).sort(byError)
    for (const note of new Set(rows.flatMap(({ notes, method }) => notes.map((each) => `${method}: ${each}`))))
      say(`note: ${note}`)
    const known = await client.call('method.list', {})
    print(options, { layer, rows }, () => words({ ...all, rows }, known))
  })

function words({ layer, rows }: Shootout, known: readonly MethodSummary[]): string {
  const titles = new Map(known.flatMap(({ id, family, title }) => (family === 'quantize' ? [[id, title]] : [])))
  const error = (value: number | null): string => (value === null ? '–' : value === 0 ? '0' : value.toExponential(3))
  const done = rows.filter(({ fault }) => fault === null)
  const failed = rows.filter(({ fault }) => fault !== null)
  const source =
    done.find(({ outputError }) => outputError !== null)?.source ?? 'weight error only: no inputs to measure on'
  return [
    `${layer}: ${source}`,
    '',
    formatTable(
      ['option', 'quantizer', 'bits a weight', 'output error', 'weight error', 'time'],
      done.map((row) => [
        row.option.id,
        titles.get(row.method) ?? row.method,
        row.bitsPerWeight?.toFixed(3) ?? '–',
        error(row.outputError),
        error(row.weightError),
        formatDuration(row.seconds * 1000),
      ]),
    ),
    ...failed.map(({ option, fault }) => `${option.id}: ${fault?.message ?? ''}`),
  ].join('\n')
}

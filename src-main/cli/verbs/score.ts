import { Fault } from '../../../src-preload/contract/fault.ts'
import { layerScores, ranksOf } from '../../../src-preload/contract/layer-scores.ts'
import type { MethodSummary, ScoreResult } from '../../../src-preload/contract/methods.ts'
import type { CheckpointSummary } from '../../../src-preload/contract/model.ts'
import type { MethodUse } from '../../../src-preload/contract/plan.ts'
import type { Project } from '../../../src-preload/contract/project.ts'
import { formatDuration, formatTable } from '../format.ts'
import { useOf } from '../methods.ts'
import { print } from '../output.ts'
import { type CommonOptions, openWork, type Session, withSession } from '../session.ts'
import { xrayWords } from '../xray-words.ts'
import { layerNamed } from './shootout.ts'

interface Options extends CommonOptions {
  data?: string
  method?: string[]
  map?: boolean
  xray?: string
}

/** What --method names; `all`: every score that the checkpoint and the data allow. Told before anything is opened. */
function usesOf(known: readonly MethodSummary[], words: readonly string[], hasData: boolean): MethodUse[] {
  if (!words.includes('all')) return words.map((each) => useOf(known, ['score'], each))
  const named = words.filter((each) => each !== 'all').map((each) => useOf(known, ['score'], each))
  const rest = known.filter(
    ({ id, family, needs }) =>
      family === 'score' &&
      !named.some(({ method }) => method === id) &&
      (hasData || needs.every((need) => need === 'weights')),
  )
  return [...named, ...rest.map(({ id }) => ({ method: id, parameters: {} }))]
}

export const score = (model: string, options: Options): Promise<void> =>
  withSession(options, async (session) => {
    const { client, say } = session
    const { method = [], xray } = options
    if (method.length === 0 && xray === undefined)
      throw new Fault('bad-arguments', 'Name a score with --method, or a layer with --xray.', {
        hint: 'lathe methods lists the scores; --method all measures all that fit.',
        data: { field: 'method' },
      })
    const known = await client.call('method.list', {})
    const asked = usesOf(known, method, options.data !== undefined)
    const project = await openWork(session, model, options, options.data)
    const uses = asked.length > 0 && method.includes('all') ? usesOf(known, method, canRun(project)) : asked
    const layer = xray === undefined ? null : layerNamed(project.checkpoint, xray)
    const scores = await measured(session, project, uses)
    const seen = layer === null ? null : await client.call('layer.xray', { project: project.folder, layer })
    const [only] = scores
    for (const result of scores) for (const note of result.notes ?? []) say(`note: ${wordsOf(result)}: ${note}`)
    for (const words of await othersKept(session, project, scores)) say(`note: ${words}`)
    const parts = [
      ...(scores.length === 1 && only ? [valuesTable(only)] : scores.length > 1 ? [ranksTable(project, scores)] : []),
      ...(options.map ? scores.flatMap(mapTables) : []),
      ...(seen ? [xrayWords(seen)] : []),
    ]
    const document =
      scores.length === 1 && seen === null
        ? only
        : { scores, ranks: ranksOfLayers(project.checkpoint, scores), ...(seen && { xray: seen }) }
    print(options, document, () => parts.join('\n\n'))
  })

const canRun = ({ data, checkpoint }: Project): boolean => data !== null && checkpoint.task !== 'none'

/** Measures them in one job and gives what there is; one that does not fit the network was told and left out. */
async function measured(
  { client, finish }: Session,
  { folder: project }: Project,
  uses: MethodUse[],
): Promise<ScoreResult[]> {
  if (uses.length === 0) return []
  const { notices } = await finish(await client.call('score.start', { project, uses }))
  const scores: ScoreResult[] = []
  for (const { method, parameters } of uses) {
    const isLeftOut = notices.some((notice) => notice.includes('left out'))
    const found = await client.call('score.get', { project, method, parameters })
    if (found) scores.push(found)
    else if (!isLeftOut) throw new Fault('internal', `The job left no score '${method}'.`)
  }
  return scores
}

/** As --method takes it: `luq:clusters=64`. */
function wordsOf({ method, parameters = {} }: Pick<ScoreResult, 'method' | 'parameters'>): string {
  const pairs = Object.entries(parameters).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  return pairs.length === 0 ? method : `${method}:${pairs.join(',')}`
}

/** What the project keeps of the same methods with other parameters. */
async function othersKept(
  { client }: Session,
  { folder: project }: Project,
  scores: readonly ScoreResult[],
): Promise<string[]> {
  const shown = new Set(scores.map(wordsOf))
  const words: string[] = []
  for (const method of new Set(scores.map((score) => score.method))) {
    const latest = await client.call('score.get', { project, method })
    const kept = [latest?.parameters ?? {}, ...(latest?.others ?? [])].map((parameters) =>
      wordsOf({ method, parameters }),
    )
    const others = kept.filter((each) => !shown.has(each))
    if (others.length > 0) words.push(`${method}: the project keeps it as ${others.join(' and ')}, too`)
  }
  return words
}

function valuesTable(result: ScoreResult): string {
  const ranked = [...result.values].sort((a, b) => b.value - a.value)
  const parts = [...new Set(result.values.flatMap(({ parts: own }) => Object.keys(own ?? {})))]
  const figure = (value: number | undefined): string =>
    value === undefined ? '–' : Number.isInteger(value) ? String(value) : value.toPrecision(5)
  return formatTable(
    ['rank', result.per, 'score', ...parts],
    ranked.map(({ key, value, parts: own }, index) => [
      String(index + 1),
      key,
      figure(value),
      ...parts.map((name) => figure(own?.[name])),
    ]),
  )
}

/** Its method, with parameters where that alone does not tell them apart. */
const columnOf = (result: ScoreResult, among: readonly ScoreResult[]): string =>
  among.filter(({ method }) => method === result.method).length > 1 ? wordsOf(result) : result.method

/** Rank of every layer by every score, 1 the highest; a score of blocks or experts stands on all their layers, a finer one as its mean.
 *  Layers that no score says anything of are left out. */
function ranksOfLayers({ layers }: CheckpointSummary, scores: readonly ScoreResult[]) {
  const compressible = layers.filter((each) => each.compressible)
  const columns = scores.map((result) => {
    const values = layerScores(compressible, result)
    const names = [...values.keys()]
    const ranks = ranksOf([...values.values()])
    return { method: columnOf(result, scores), ranks: new Map(names.map((name, at) => [name, ranks[at] ?? 0])) }
  })
  return compressible
    .filter(({ name }) => columns.some(({ ranks }) => ranks.has(name)))
    .map(({ name, block }) => ({
      layer: name,
      block,
      ranks: Object.fromEntries(
        columns.flatMap(({ method, ranks }) => {
          const rank = ranks.get(name)
          return rank === undefined ? [] : [[method, rank]]
        }),
      ),
    }))
}

function ranksTable({ checkpoint }: Project, scores: readonly ScoreResult[]): string {
  const methods = scores.map((result) => columnOf(result, scores))
  const first = methods[0] ?? ''
  const rows = ranksOfLayers(checkpoint, scores).sort(
    (a, b) => (a.ranks[first] ?? Infinity) - (b.ranks[first] ?? Infinity) || 0,
  )
  const seconds = scores.reduce((sum, each) => sum + each.seconds, 0)
  return [
    formatTable(
      ['layer', ...methods],
      rows.map(({ layer, ranks }) => [layer, ...methods.map((method) => String(ranks[method] ?? '–'))]),
    ),
    '',
    `ranks of ${rows.length} layers, 1 matters most; ${methods.length} scores in ${formatDuration(seconds * 1000)}`,
  ].join('\n')
}

const mapTables = ({ maps = [] }: ScoreResult): string[] =>
  maps.map(
    ({ title, rows, cols, values }) =>
      `${title}\n${formatTable(
        ['', ...cols],
        rows.map((row, at) => [row, ...cols.map((_, col) => (values[at * cols.length + col] ?? 0).toPrecision(3))]),
      )}`,
  )

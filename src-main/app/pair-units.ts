// Pairs of layers measured together, for the pairwise terms of the predictor (engine/predict/pairs.ts): layers of one residual
// block, and neighbours that the Q-VLM score (SYSTEMS.md S7) found to depend on one another, where it was measured.
import { z } from 'zod'
import { isWeighted, type Option } from '../../src-preload/contract/plan.ts'
import { dependencyBlocks } from '../engine/score/search-blocks.ts'
import type { Unit } from '../jobs/work.ts'
import { readProbes, saveProbe } from '../store/probes.ts'
import { transaction } from '../store/query.ts'
import { listScores } from '../store/scores.ts'
import type { OpenProject, Subject } from './projects.ts'
import type { Measurement } from './sensitivity.ts'

const pairSchema = z.object({
  a: z.string(),
  b: z.string(),
  optionA: z.string(),
  optionB: z.string(),
  loss: z.number(), // of both together, nats
  lossA: z.number(),
  lossB: z.number(),
  rho: z.number(),
  samples: z.number().int(),
})

/** Bits of the option that stands for a layer: low enough for errors to meet, high enough to add up. */
const referenceBits = 4
/** More than a few hundred pairs of one block tell little that the nearest do not. */
const mostPairs = 300

const placeOf = (checkpoint: string, data: string) => ({ checkpoint, data, kind: 'pair', version: 1 })
const keyOf = (a: string, b: string): string => JSON.stringify([a, b].sort())

const storedPairs = (project: OpenProject, { row, data }: Pick<Subject, 'row' | 'data'>) =>
  readProbes(project.store.read, placeOf(row.checkpoint, data), pairSchema)

/** What was measured of pairs of layers: the correlation of their losses. Empty where nothing was. */
export const readPairs = (project: OpenProject, subject: Subject): { a: string; b: string; rho: number }[] =>
  subject.data === '' ? [] : [...storedPairs(project, subject).values()].map(({ a, b, rho }) => ({ a, b, rho }))

interface Group {
  block: number // no layer of it lies before; -1: anywhere
  title: string
  pairs: { a: string; b: string }[]
}

const pairUp = (names: readonly string[]): { a: string; b: string }[] =>
  names.flatMap((a, i) => names.slice(i + 1).map((b) => ({ a, b }))).slice(0, mostPairs)

/** Layers of one dependency block, in units that begin at a common border. */
function groupsOf(project: OpenProject, { subject, layers }: Measurement): Group[] {
  const wanted = new Set(layers.filter(({ options }) => options.length > 0).map(({ name }) => name))
  const known = subject.checkpoint.summary.layers.filter(({ name }) => wanted.has(name))
  const blockOf = new Map(known.map(({ name, block }) => [name, block ?? -1]))
  const inBlocks = [...Map.groupBy(known, ({ block }) => block ?? -1)].flatMap(([block, own]): Group[] => {
    const pairs = block < 0 ? [] : pairUp(own.map(({ name }) => name))
    return pairs.length === 0 ? [] : [{ block, title: `pairs in block ${block + 1}`, pairs }]
  })
  const score = listScores(project.store.read, { checkpoint: subject.row.checkpoint, data: subject.data }).findLast(
    ({ method }) => method === 'qvlm',
  )
  const across = (score ? dependencyBlocks(score) : []).flatMap((searched, at): Group[] => {
    const names = searched.filter((name) => wanted.has(name))
    const pairs = pairUp(names).filter(({ a, b }) => blockOf.get(a) !== blockOf.get(b))
    const block = Math.min(...names.map((name) => blockOf.get(name) ?? -1))
    return pairs.length === 0 ? [] : [{ block, title: `pairs of dependent layers ${at + 1}`, pairs }]
  })
  return [...inBlocks, ...across]
}

/** The rounding that stands for a layer: the nearest to the reference width. */
function referenceOf(options: readonly Option[]): Option | undefined {
  const away = ({ bits }: Option): number => Math.abs(bits - referenceBits)
  const roundings = options.filter(({ parameters }) => !('sparsity' in parameters) && !('rankShare' in parameters))
  return [...(roundings.length > 0 ? roundings : options)].sort((a, b) => away(a) - away(b))[0]
}

/** Layer -> the option that stands for it where others are measured beside it. */
const referencesOf = ({ layers }: Pick<Measurement, 'layers'>): Map<string, Option> =>
  new Map(
    layers.flatMap(({ name, options }) => {
      const chosen = referenceOf(options)
      return chosen ? [[name, chosen] as const] : []
    }),
  )

/** Units that measure what is not known yet; none without data. */
export function pairUnits(
  project: OpenProject,
  measurement: Measurement,
  importance: { file(): string } | null,
): Unit[] {
  const { subject, checkpoint, reference, samples, data } = measurement
  if (reference === null) return []
  const { parameters, blocks } = subject.checkpoint.summary
  const options = referencesOf(measurement)
  return groupsOf(project, measurement).map(({ block, title, pairs }): Unit => {
    const open = () => {
      const known = storedPairs(project, subject)
      return pairs.filter(({ a, b }) => (known.get(keyOf(a, b))?.samples ?? 0) < samples)
    }
    const behind = block < 0 ? 1 : 1 - block / Math.max(1, blocks)
    return {
      key: `pairs-${title}-${samples}`,
      kind: 'pairs',
      step: title,
      weight: pairs.length * behind * parameters * samples,
      isDone: () => open().length === 0,
      async run({ engine, hooks }) {
        const todo = open()
        const names = new Set(todo.flatMap(({ a, b }) => [a, b]))
        const chosen = [...names].flatMap((name) => {
          const option = options.get(name)
          return option ? [{ name, option }] : []
        })
        const weighted = chosen.some(({ option }) => isWeighted(option))
        const task = {
          ...{ checkpoint, data: reference, block, samples, pairs: todo, options: chosen },
          device: subject.row.device,
          importance: weighted ? (importance?.file() ?? null) : null,
        }
        const result = await engine.run('pairs', task, hooks)
        for (const notice of result.notices) hooks.notify(notice)
        transaction(project.store.write, () => {
          // A pair of which a layer loses nothing has no cosine: it is kept as none, so that it is not asked for again.
          const found = new Map(result.pairs.map((pair) => [keyOf(pair.a, pair.b), pair]))
          for (const { a, b } of todo) {
            const { loss, lossA, lossB, rho } = found.get(keyOf(a, b)) ?? { loss: 0, lossA: 0, lossB: 0, rho: 0 }
            const used = { optionA: options.get(a)?.id ?? '', optionB: options.get(b)?.id ?? '', samples }
            const value = { a, b, ...used, loss, lossA, lossB, rho }
            saveProbe(project.store.write, { ...placeOf(subject.row.checkpoint, data), key: keyOf(a, b), value })
          }
        })
      },
    }
  })
}

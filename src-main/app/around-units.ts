// Losses of the measured options once more, with every other layer at a reference option: what layers do to each other, in
// numbers that still add up (engine/score/around.ts).
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { isWeighted, type Option } from '../../src-preload/contract/plan.ts'
import type { Unit } from '../jobs/work.ts'
import { listOptions } from '../store/options.ts'
import { readProbes, saveProbe } from '../store/probes.ts'
import { transaction } from '../store/query.ts'
import { referencesOf } from './pair-units.ts'
import type { OpenProject, Subject } from './projects.ts'
import type { Measurement } from './sensitivity.ts'
import { announce } from './snapshot.ts'
import type { AppContext } from './context.ts'

const aroundSchema = z.object({
  reference: z.string(), // names the options that the other layers were at
  samples: z.number().int(),
  option: z.string(), // that this layer is at in the reference
  whole: z.number(), // loss with every layer at its reference
  losses: z.record(z.string(), z.object({ loss: z.number(), standardError: z.number() })),
})
export type Around = z.infer<typeof aroundSchema>

const placeOf = (checkpoint: string, data: string) => ({ checkpoint, data, kind: 'around', version: 1 })

/** Layer -> losses of its options with the others at a reference; empty unless it is one reference for all of them. */
export function readAround(project: OpenProject, { row, data }: Pick<Subject, 'row' | 'data'>): Map<string, Around> {
  const found = readProbes(project.store.read, placeOf(row.checkpoint, data), aroundSchema)
  const references = new Set([...found.values()].map(({ reference }) => reference))
  return references.size === 1 ? found : new Map()
}

/** Units that come after those of the plain measurement: they look at the options that one ran. */
export function aroundUnits(
  context: AppContext,
  project: OpenProject,
  measurement: Measurement,
  importance: { file(): string } | null,
): Unit[] {
  const { subject, checkpoint, reference: data, samples } = measurement
  if (data === null) return []
  const { summary } = subject.checkpoint
  const references = referencesOf(measurement)
  const around = [...references].map(([name, option]) => ({ name, option }))
  const reference = createHash('sha256')
    .update(JSON.stringify(around.map(({ name, option }) => [name, option.id])))
    .digest('hex')
  const place = placeOf(subject.row.checkpoint, measurement.data)
  const open = (block: number): { name: string; options: Option[]; known: [] }[] => {
    const rows = listOptions(project.store.read, { checkpoint: subject.row.checkpoint, data: measurement.data })
    const known = readProbes(project.store.read, place, aroundSchema)
    return summary.layers.flatMap(({ name, block: own }) => {
      if ((own ?? -1) !== block) return []
      const run = new Set(rows.filter(({ layer }) => layer === name).map(({ option }) => option))
      const before = known.get(name)
      const fresh = before?.reference === reference && before.samples >= samples ? before.losses : {}
      const options = measurement.layers.find((layer) => layer.name === name)?.options ?? []
      const todo = options.filter(({ id }) => run.has(id) && fresh[id] === undefined)
      return todo.length === 0 ? [] : [{ name, options: todo, known: [] }]
    })
  }
  const blocks = [...new Set(summary.layers.filter(({ name }) => references.has(name)).map(({ block }) => block ?? -1))]
  return blocks.map((block): Unit => {
    const behind = block < 0 ? 1 : 1 - block / Math.max(1, summary.blocks)
    const layers = summary.layers.filter((layer) => (layer.block ?? -1) === block).length
    return {
      key: `around-${reference}-${block}-${samples}`,
      kind: 'around',
      step: block < 0 ? 'layers outside the blocks, around a reference' : `block ${block + 1}, around a reference`,
      weight: 3 * layers * behind * summary.parameters * samples,
      isDone: () => open(block).length === 0,
      async run({ engine, hooks }) {
        const todo = open(block)
        const weighted = [...around.map(({ option }) => option), ...todo.flatMap(({ options }) => options)].some(
          isWeighted,
        )
        const task = {
          ...{ checkpoint, data, block, samples, layers: todo, every: true, around },
          device: subject.row.device,
          importance: weighted ? (importance?.file() ?? null) : null,
        }
        const result = await engine.run('sensitivity', task, hooks)
        for (const notice of result.notices) hooks.notify(notice)
        transaction(project.store.write, () => {
          for (const { name, losses } of result.layers) {
            const before = readProbes(project.store.write, place, aroundSchema).get(name)
            const kept = before?.reference === reference && before.samples >= samples ? before.losses : {}
            const found = Object.fromEntries(
              losses.map(({ option, loss, standardError }) => [
                option,
                { loss: loss ?? 0, standardError: standardError ?? 0 },
              ]),
            )
            const option = references.get(name)?.id ?? ''
            const value: Around = {
              reference,
              samples,
              option,
              whole: result.reference ?? 0,
              losses: { ...kept, ...found },
            }
            saveProbe(project.store.write, { ...place, key: name, value })
          }
        })
        announce(context, project)
      },
    }
  })
}

// The order along which a search by measuring looks: plans from the smallest file to the original, each made by the allocator
// that was chosen, each losing less (as predicted) than all that are smaller.
import { z } from 'zod'
import { Fault } from '../../src-preload/contract/fault.ts'
import { floorPoints, type Recipe, recipeSchema } from '../../src-preload/contract/plan.ts'
import { allocators } from '../engine/allocate/registry.ts'
import type { Unit } from '../jobs/work.ts'
import { readStep, saveStep } from '../store/steps.ts'
import { envelope } from './front-points.ts'
import type { PlanModel } from './plan-model.ts'
import type { OpenProject } from './projects.ts'
import { planFor, type PlanRequest } from './solve.ts'

export const pointSchema = z.object({ recipe: recipeSchema, predicted: z.number() })
export type Point = z.infer<typeof pointSchema> // `predicted`: quality, higher is better

const slowPoints = 16 // of allocators that take seconds for each plan

const isSwift = (allocator: string): boolean => allocators.find(({ id }) => id === allocator)?.isSwift ?? false

type Asked = Omit<PlanRequest, 'budget' | 'uniform'>

/** Bytes of the smallest and of the largest plan. A Fault where nothing keeps to the constraints, or where the allocator does
 *  not know them. */
export async function endsOf(model: PlanModel, asked: Asked): Promise<{ least: number; most: number }> {
  const exact = { ...asked, uniform: false, allocator: null }
  const least = await planFor(model, { ...exact, budget: { loss: Number.MAX_VALUE } })
  const most = await planFor(model, { ...asked, uniform: false, budget: { bytes: Number.MAX_SAFE_INTEGER } })
  return { least: least.predicted.bytes, most: Math.max(least.predicted.bytes, most.predicted.bytes) }
}

/** Plans at sizes spread evenly on a logarithmic scale; a size at which the allocator finds nothing has none. */
export async function pointsAlong(
  model: PlanModel,
  asked: Asked,
  { least, most }: { least: number; most: number },
  seen: (share: number) => void,
): Promise<Point[]> {
  const found: { bytes: number; loss: number; recipe: Recipe }[] = []
  let count = floorPoints
  for (let k = 0; k < count; k += 1) {
    const bytes = Math.ceil(least * (most / least) ** (k / (count - 1)))
    try {
      const { recipe, predicted, allocator } = await planFor(model, { ...asked, uniform: false, budget: { bytes } })
      if (!isSwift(allocator)) count = slowPoints
      found.push({ bytes: predicted.bytes, loss: predicted.loss, recipe })
    } catch (error) {
      // One that searches at random may miss the only plan of a size.
      if (!(error instanceof Fault) || error.code !== 'infeasible') throw error
    }
    seen((k + 1) / count)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return envelope(found).map(({ recipe, loss }) => ({ recipe, predicted: -loss }))
}

const keptSchema = z.object({ points: z.array(pointSchema).min(1) })

/** Makes the order once and keeps it: what is measured on the way must not change it. */
export function orderUnit(
  project: OpenProject,
  job: string,
  make: (seen: (share: number) => void) => Promise<Point[]>,
): Unit & { points(): Point[] | null } {
  const key = `floor-points-${job}`
  const read = (): Point[] | null => {
    const found = keptSchema.safeParse(readStep(project.store.read, { key })?.result)
    return found.success ? found.data.points : null
  }
  let known: Point[] | null = null
  const points = (): Point[] | null => (known ??= read())
  return {
    ...{ key, kind: 'plan', step: 'planning along the curve', weight: 1, points },
    isDone: () => points() !== null,
    async run({ hooks }) {
      const made = await make((fraction) => {
        hooks.signal.throwIfAborted()
        hooks.progress({ fraction, step: 'planning along the curve' })
      })
      if (made.length === 0)
        throw new Fault(
          'infeasible',
          'The chosen allocator found no plan at any size between the smallest and the original.',
          {
            hint: 'Choose another allocator, or loosen the constraints.',
            data: { field: 'allocator' },
          },
        )
      const nothing = { run: null, file: null, sha256: null, bytes: null }
      saveStep(project.store.write, { key, task: 'floor', ...nothing, result: { points: made } })
    },
  }
}

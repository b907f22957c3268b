import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Plan, Recipe } from '../../../src-preload/contract/plan.ts'
import { print } from '../output.ts'
import { conversionParameters } from '../parameters.ts'
import { type CommonOptions, openWork, type Session, withSession } from '../session.ts'
import { checkTarget, deliver, deliveryWords } from './deliver.ts'
import { makePlan } from './plan.ts'

interface Options extends CommonOptions {
  data: string
  bits?: number
  lose?: number // percent
  uniform?: boolean
  allocator?: string
  format?: string
  param?: string[]
  out: string
  overwrite?: boolean
  evaluate: boolean
}

export const compress = (model: string, options: Options): Promise<void> =>
  withSession(options, async (session) => {
    const format = await checkTarget(session, model, options)
    const project = await openWork(session, model, { ...options, format }, options.data)
    const parameters = await conversionParameters(session, format, options)
    const { recipe, ...planned } = await chosenRecipe(session, project.folder, options)
    const delivery = await deliver(session, project.folder, recipe, {
      ...options,
      format,
      parameters,
      evaluate: options.evaluate,
    })
    print(options, { ...delivery, ...planned }, () => deliveryWords(delivery))
  })

/** The plan of a width, or the smallest one that was measured to lose little enough. */
async function chosenRecipe(
  session: Session,
  project: string,
  { bits, lose, uniform = false, allocator = null }: Omit<Options, 'allocator'> & { allocator?: string | null },
): Promise<{ recipe: Recipe; plan?: Pick<Plan, 'predicted' | 'layers'> }> {
  if ((bits === undefined) === (lose === undefined))
    throw new Fault('bad-arguments', 'Give the budget as --bits or as --lose, one of them.')
  if (bits !== undefined) {
    const { recipe, predicted, layers } = await makePlan(session, project, { bits }, uniform, { allocator })
    return { recipe, plan: { predicted, layers } }
  }
  const { client, finish } = session
  await finish(await client.call('sensitivity.start', { project }))
  const started = await client.call('floor.start', { project, lose: (lose as number) / 100, allocator })
  const { result } = await finish(started)
  return { recipe: await client.call('variant.recipe', { project, variant: result ?? '' }) }
}

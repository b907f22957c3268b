import { print } from '../output.ts'
import { conversionParameters } from '../parameters.ts'
import { type CommonOptions, openWork, withSession } from '../session.ts'
import { checkTarget, deliver, deliveryWords } from './deliver.ts'
import { makePlan } from './plan.ts'

interface Options extends CommonOptions {
  data: string
  bits: number
  uniform?: boolean
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
    const plan = await makePlan(session, project.folder, { bits: options.bits }, options.uniform === true)
    const delivery = await deliver(session, project.folder, plan.recipe, {
      ...options,
      format,
      parameters,
      evaluate: options.evaluate,
    })
    const document = { ...delivery, plan: { predicted: plan.predicted, layers: plan.layers } }
    print(options, document, () => deliveryWords(delivery))
  })

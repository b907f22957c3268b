import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Budget, Plan } from '../../../src-preload/contract/plan.ts'
import { formatBytes, formatTable } from '../format.ts'
import { print } from '../output.ts'
import { type CommonOptions, openWork, type Session, withSession } from '../session.ts'
import { checkDocument, writeDocument } from '../write.ts'

interface Options extends CommonOptions {
  data?: string
  bits?: number
  bytes?: number
  uniform?: boolean
  out?: string
}

/** The budget of --bits or --bytes; exactly one of them. */
export function budgetOf(options: { bits?: number; bytes?: number }): Budget {
  if ((options.bits === undefined) === (options.bytes === undefined))
    throw new Fault('bad-arguments', 'Give the budget as --bits or as --bytes, one of them.')
  return options.bits !== undefined ? { bits: options.bits } : { bytes: options.bytes as number }
}

/** Measures what the plan needs, then solves it. One width for all layers needs no measurement, only its predicted loss does. */
export async function makePlan(
  session: Session,
  project: string,
  budget: Budget,
  uniform: boolean,
  measure = !uniform,
): Promise<Plan> {
  if (measure) await session.finish(await session.client.call('sensitivity.start', { project }))
  return await session.client.call('plan.solve', { project, budget, uniform })
}

export const plan = (model: string, options: Options): Promise<void> =>
  withSession(options, async (session) => {
    const budget = budgetOf(options)
    checkDocument(options.out, [model, options.data])
    const project = await openWork(session, model, options, options.data)
    const uniform = options.uniform === true
    const made = await makePlan(session, project.folder, budget, uniform, !uniform || options.data !== undefined)
    if (options.out !== undefined) writeDocument(options.out, `${JSON.stringify(made.recipe, null, 2)}\n`)
    print(options, made, () => words(made, project.checkpoint.task !== 'none'))
  })

function words(made: Plan, canRun: boolean): string {
  const { predicted } = made
  return [
    formatTable(
      ['layer', 'option', 'bits', 'size', 'predicted loss'],
      made.layers.map((layer) => [
        layer.name,
        layer.option,
        String(layer.bits),
        formatBytes(layer.bytes),
        layer.loss.toExponential(2),
      ]),
    ),
    '',
    `${formatBytes(predicted.bytes)} (budget ${formatBytes(made.budgetBytes)}), ${predicted.averageBits.toFixed(3)} bits a weight, ${predicted.bitsPerWeight.toFixed(3)} with all overhead`,
    `predicted ${canRun ? 'KL divergence' : 'relative weight error'} ${predicted.loss.toExponential(3)} (${predicted.lossLow.toExponential(2)} … ${predicted.lossHigh.toExponential(2)}), ${predicted.source}`,
  ].join('\n')
}

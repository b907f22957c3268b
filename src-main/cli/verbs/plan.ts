import type { Arguments } from '../../../src-preload/contract/channels.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'
import {
  type Budget,
  type Constraints,
  isOffered,
  noConstraints,
  type Plan,
} from '../../../src-preload/contract/plan.ts'
import { type BudgetOptions, budgetOf, type ConstraintOptions, constraintsOf } from '../budget.ts'
import { formatBytes, formatTable } from '../format.ts'
import { print } from '../output.ts'
import { type CommonOptions, openWork, requireMethod, type Session, withSession } from '../session.ts'
import { checkDocument, writeDocument } from '../write.ts'

interface Options extends CommonOptions, BudgetOptions, ConstraintOptions {
  data?: string
  uniform?: boolean
  allocator?: string
  out?: string
}

interface Asked {
  measure?: boolean
  constraints?: Constraints
  allocator?: string | null
}

/** Measures what the plan needs, then solves it. One width for all layers needs no measurement, only its predicted loss does. */
export async function makePlan(
  session: Session,
  project: string,
  budget: Budget,
  uniform: boolean,
  { measure = !uniform, constraints = noConstraints, allocator = null }: Asked = {},
): Promise<Plan> {
  const { client, finish } = session
  if (allocator !== null) await requireMethod(session, 'allocate', allocator)
  await refuseHomeless(client, project)
  if (measure) {
    await refuseHopeless(client, { project, budget, uniform, constraints })
    await finish(await client.call('sensitivity.start', { project, latency: 'perSecond' in budget }))
  }
  return await client.call('plan.solve', { project, budget, uniform, constraints, allocator })
}

/** A quantizer whose codes the export format has no place for would leave every layer rounded to nearest, unasked. */
async function refuseHomeless(client: Session['client'], project: string): Promise<void> {
  const { methods, format, checkpoint } = await client.call('project.get', { project })
  const id = methods.quantizer?.method
  if (id === undefined) return
  if (isOffered(id, await client.call('option.list', { project }))) return
  const others = checkpoint.exports.flatMap((each) =>
    each.reason === null && each.format !== format ? [each.format] : [],
  )
  throw new Fault('unsupported', `The format ${format} has no place for what ${id} makes of any layer.`, {
    hint: `Name another --quantizer, or a --format that may have one: ${others.join(', ')}.`,
    data: { field: 'quantizer', found: id },
  })
}

/** What no measurement can change is told before minutes are spent on one: wishes that contradict each other, names that are
 *  not there, sizes that nothing fits. What a plan loses, how fast it is and which blocks can go, only measurements tell. */
async function refuseHopeless(
  client: Session['client'],
  { budget, constraints = noConstraints, ...asked }: Arguments<'plan.solve'>,
): Promise<void> {
  const { methods } = await client.call('project.get', { project: asked.project })
  if ('perSecond' in budget || methods.levers?.some(({ method }) => method === 'remove-blocks')) return
  const known = 'loss' in budget || 'lose' in budget ? { bytes: Number.MAX_SAFE_INTEGER } : budget
  await client.call('plan.solve', { ...asked, budget: known, constraints: { ...constraints, maxLoss: null } })
}

export const plan = (model: string, options: Options): Promise<void> =>
  withSession(options, async (session) => {
    const budget = budgetOf(options)
    checkDocument(options.out, [model, options.data])
    const project = await openWork(session, model, options, options.data)
    const uniform = options.uniform === true
    const names = project.checkpoint.layers.flatMap(({ name, compressible }) => (compressible ? [name] : []))
    const constraints = constraintsOf(options, names)
    const measure = !uniform || options.data !== undefined
    const { allocator = null } = options
    const made = await makePlan(session, project.folder, budget, uniform, { measure, constraints, allocator })
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
    ...spentOf(made),
    made.allocator === 'uniform'
      ? 'one width for all layers, as far as what is asked lets them'
      : `chosen by ${made.allocator}, ${made.optimal ? 'proven the best of what is predicted' : 'not proven best'}`,
    `predicted ${canRun ? 'KL divergence' : 'relative weight error'} ${predicted.loss.toExponential(3)} (${predicted.lossLow.toExponential(2)} … ${predicted.lossHigh.toExponential(2)}), ${predicted.source}`,
  ].join('\n')
}

/** What else than bits is spent, and what time was predicted; nothing where there is none. */
function spentOf({ predicted, removed }: Plan): string[] {
  const { sparsity, rankShare, seconds } = predicted
  const words = [
    ...(sparsity > 0 ? [`${(100 * sparsity).toFixed(1)} % zeros`] : []),
    ...(rankShare < 1 ? [`${(100 * rankShare).toFixed(1)} % of the rank`] : []),
    ...(removed.length > 0 ? [`without block${removed.length === 1 ? '' : 's'} ${removed.join(', ')}`] : []),
    ...(seconds === null ? [] : [`predicted ${(1000 * seconds).toPrecision(3)} ms a sample`]),
  ]
  return words.length > 0 ? [words.join(', ')] : []
}

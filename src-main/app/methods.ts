import { z } from 'zod'
import type { Methods } from '../../src-preload/contract/plan.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import { preparations } from '../engine/prepare/registry.ts'
import { levers as allLevers } from '../engine/quantize/compressors.ts'
import { quantizers } from '../engine/quantize/registry.ts'
import { layerLevers, needsData, REMOVE_BLOCKS } from './recipe-methods.ts'
import type { Subject } from './projects.ts'

/** Faults unless every method is known, its parameters fit its schema, and the project has what it needs. */
export function checkMethods(subject: Subject, methods: Methods): void {
  const { quantizer, prepare } = methods
  if (quantizer) check('quantizer', quantizers, quantizer)
  for (const use of layerLevers(methods)) check('lever', allLevers, use)
  checkDepth(methods)
  for (const use of prepare) check('preparation', preparations, use)
  const uses = quantizer ? [{ method: quantizer.method, parameters: quantizer.parameters }] : []
  if (subject.dataSet !== null || !needsData(methods, uses)) return
  const names = [...uses, ...prepare].map(({ method }) => method)
  throw new Fault('bad-data', `${names.join(', ')}: needs calibration data, and this project has none.`, {
    hint: 'Choose data first, or a method that needs weights only.',
    data: { field: 'methods' },
  })
}

function checkDepth({ levers = [] }: Methods): void {
  for (const { method, parameters } of levers) {
    if (method !== REMOVE_BLOCKS) continue
    const { most = 2, ...strangers } = parameters
    const [stranger] = Object.keys(strangers)
    if (stranger === undefined && Number.isInteger(most) && Number(most) >= 1 && Number(most) <= 64) continue
    throw new Fault('bad-arguments', `Leaving blocks out: "most" is how many at most, a whole number from 1 to 64.`, {
      data: { field: stranger ?? 'most', found: JSON.stringify(stranger === undefined ? most : parameters) },
    })
  }
}

function check(
  kind: string,
  known: readonly { id: string; title: string; params: z.ZodObject }[],
  use: { method: string; parameters: Record<string, unknown> },
): void {
  const method = known.find(({ id }) => id === use.method)
  if (!method)
    throw new Fault('bad-arguments', `There is no ${kind} "${use.method}".`, {
      hint: `Known: ${known.map(({ id }) => id).join(', ') || 'none'}.`,
      data: { field: kind, found: use.method },
    })
  const stranger = Object.keys(use.parameters).find((name) => !Object.hasOwn(method.params.shape, name))
  const parsed = method.params.safeParse(use.parameters)
  if (parsed.success && stranger === undefined) return
  const reason = parsed.success ? `it has no parameter "${stranger}"` : z.prettifyError(parsed.error)
  throw new Fault('bad-arguments', `${method.title}: ${reason}`, {
    hint: `Known: ${Object.keys(method.params.shape).join(', ') || 'it takes no parameters'}.`,
    data: { field: stranger ?? parsed.error?.issues[0]?.path.join('.') ?? kind },
  })
}

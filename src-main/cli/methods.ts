import type { MethodSummary } from '../../src-preload/contract/methods.ts'
import type { MethodUse, Methods } from '../../src-preload/contract/plan.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import { parseParameters } from './parameters.ts'
import type { CommonOptions, Session } from './session.ts'

/** What --quantizer, --prepare, --lever and --samples ask for; null where none is given. A quantizer brings the rewritings that belong
 *  to it, unless --prepare names others ('none': none at all). */
export async function methodsAsked(
  { client }: Session,
  { quantizer, prepare, samples, lever }: CommonOptions,
): Promise<Methods | null> {
  if (quantizer === undefined && prepare === undefined && samples === undefined && lever === undefined) return null
  const known = await client.call('method.list', {})
  const chosen = quantizer === undefined || quantizer === 'nearest' ? null : useOf(known, ['quantize'], quantizer)
  const own = known.find(({ family, id }) => family === 'quantize' && id === chosen?.method)?.prepare ?? []
  const named = prepare
    ?.filter((words) => words !== 'none')
    .map((words) => useOf(known, ['prepare', 'activate'], words))
  const levers = lever?.map((words) => leverOf(known, words)) ?? []
  return { quantizer: chosen, prepare: named ?? own, samples: samples ?? null, ...(levers.length > 0 && { levers }) }
}

const mostRemoved = 1000

/** A sparsifier or a factorizer; `remove-blocks:most=2` for depth, which blocks being the plan's choice. */
function leverOf(known: readonly MethodSummary[], words: string): MethodUse {
  const depth = /^remove-blocks(?::most=(\d+))?$/.exec(words)
  if (!depth) return useOf(known, ['sparsify', 'factorize'], words)
  const most = Number(depth[1] ?? 2)
  if (most >= 1 && most <= mostRemoved) return { method: 'remove-blocks', parameters: { most } }
  throw new Fault('bad-arguments', `--lever ${words}: at least one block may be removed.`, {
    data: { field: 'lever', found: words },
  })
}

/** `gptq` or `gptq:actOrder=true,damping=0.02`. */
export function useOf(known: readonly MethodSummary[], families: readonly string[], words: string): MethodUse {
  const at = words.indexOf(':')
  const id = at < 0 ? words : words.slice(0, at)
  const pairs = at < 0 ? [] : words.slice(at + 1).split(',')
  const fitting = known.filter(({ family }) => families.includes(family))
  const method = fitting.find((each) => each.id === id)
  if (!method)
    throw new Fault('bad-arguments', `There is no method "${id}" of this kind.`, {
      hint: `Known: ${fitting.map((each) => each.id).join(', ')}.`,
      data: { field: families[0] ?? '', found: id },
    })
  return { method: id, parameters: parseParameters(method.parameters, pairs, method.title) }
}

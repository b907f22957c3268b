import { Fault } from '../../src-preload/contract/fault.ts'
import type { Budget, Constraints } from '../../src-preload/contract/plan.ts'
import { type Lever, levers } from '../../src-preload/contract/results.ts'

export interface BudgetOptions {
  bits?: number
  bytes?: number
  loss?: number
  lose?: number // per cent
  perSecond?: number
  memory?: number // bytes
  context?: number
}

const flags = { bits: '--bits', bytes: '--bytes', loss: '--loss', lose: '--lose', perSecond: '--per-second' } as const

/** The budget of --bits, --bytes, --loss, --lose, --per-second, or --memory with --context; exactly one of them. */
export function budgetOf(options: BudgetOptions): Budget {
  const { bits, bytes, loss, lose, perSecond, memory, context } = options
  const given = [bits, bytes, loss, lose, perSecond, memory].filter((value) => value !== undefined)
  if (given.length !== 1)
    throw new Fault('bad-arguments', `Give the budget as ${Object.values(flags).join(', ')} or --memory, one of them.`)
  if (bits !== undefined) return { bits }
  if (bytes !== undefined) return { bytes }
  if (loss !== undefined) return { loss }
  if (lose !== undefined) return { lose: lose / 100 }
  if (perSecond !== undefined) return { perSecond }
  if (context === undefined)
    throw new Fault('bad-arguments', '--memory needs --context: the cache grows with it.', {
      hint: 'Such as --context 2048. Of networks without a cache, give the size of the file: --bytes.',
      data: { field: 'context' },
    })
  return { memory: memory ?? 0, context }
}

export interface ConstraintOptions {
  floor?: string[]
  ceiling?: string[]
  alike?: string[]
  keepBlock?: string[]
  only?: string
  maxLoss?: number
}

/** --floor and --ceiling name layers by a part of their name and give bits (`down_proj=5`); --alike gives a part that all
 *  layers of a group share. */
export function constraintsOf(options: ConstraintOptions, layers: readonly string[]): Constraints {
  const { floor = [], ceiling = [], alike = [], keepBlock = [], only, maxLoss = null } = options
  return {
    floors: boundsOf(floor, '--floor', layers),
    ceilings: boundsOf(ceiling, '--ceiling', layers),
    alike: alike.map((part) => {
      const names = matching(part, '--alike', layers)
      if (names.length > 1) return names
      throw new Fault('bad-arguments', `--alike ${part}: only ${names[0]} is called so.`, {
        data: { field: '--alike', found: part },
      })
    }),
    keepBlocks: keepBlock.map((words) => {
      const block = Number(words)
      if (Number.isInteger(block) && block >= 0) return block
      throw new Fault('bad-arguments', `--keep-block ${words}: blocks are numbered from 0.`, {
        data: { field: '--keep-block', found: words },
      })
    }),
    only: only === undefined ? null : only.split(',').map(leverOf),
    maxLoss,
    maxSeconds: null,
  }
}

function leverOf(words: string): Lever {
  const lever = levers.find((known) => known === words.trim())
  if (lever) return lever
  throw new Fault('bad-arguments', `--only ${words}: there is no such lever.`, {
    hint: `Known: ${levers.join(', ')}.`,
    data: { field: '--only', found: words },
  })
}

function matching(part: string, flag: string, layers: readonly string[]): string[] {
  const names = layers.filter((name) => name.includes(part))
  if (names.length > 0) return names
  throw new Fault('bad-arguments', `${flag} ${part}: no layer is called so.`, {
    hint: 'lathe inspect lists them.',
    data: { field: flag, found: part },
  })
}

function boundsOf(pairs: readonly string[], flag: string, layers: readonly string[]): Record<string, number> {
  const bounds: Record<string, number> = {}
  for (const pair of pairs) {
    const at = pair.lastIndexOf('=')
    const bits = Number(pair.slice(at + 1))
    if (at < 1 || pair.slice(at + 1).trim() === '' || !Number.isFinite(bits))
      throw new Fault('bad-arguments', `${flag} ${pair}: expected layer=bits, such as down_proj=5.`, {
        data: { field: flag, found: pair },
      })
    for (const name of matching(pair.slice(0, at), flag, layers)) bounds[name] = bits
  }
  return bounds
}

import type { MethodSummary } from '../../../src-preload/contract/methods.ts'
import type { Methods, MethodUse } from '../../../src-preload/contract/plan.ts'
import type { Lever } from '../../../src-preload/contract/results.ts'

export const removeBlocks = 'remove-blocks'

export interface LeverRow {
  lever: Lever
  title: string
  /** What it does to the network and to the file, and what it needs, in a sentence or two. */
  help: string
  use: MethodUse | null
  /** Methods that can work it, the usual one first. */
  methods: MethodSummary[]
  /** Why it cannot be used; null where it can. */
  closed: string | null
}

const families = { sparsity: 'sparsify', rank: 'factorize' } as const

const words: Record<Lever, { title: string; help: string }> = {
  bits: {
    title: 'Bits',
    help: 'Every weight is stored with fewer bits. Always there: how weights are rounded is chosen beside it.',
  },
  sparsity: {
    title: 'Sparsity',
    help: 'Some weights become zero and are not stored, only where they were. Pays where many can go.',
  },
  rank: {
    title: 'Rank',
    help: 'A matrix becomes a product of two thin ones. Pays where its singular values fall fast.',
  },
  depth: {
    title: 'Depth',
    help: 'Whole blocks are left out of the network: it becomes smaller and faster. What each costs is measured first.',
  },
}

/** The lever a use belongs to. */
export const leverOf = (use: MethodUse, known: readonly MethodSummary[]): Lever | null => {
  if (use.method === removeBlocks) return 'depth'
  const family = known.find(({ id }) => id === use.method)?.family
  return family === 'sparsify' ? 'sparsity' : family === 'factorize' ? 'rank' : null
}

/** The four levers as they stand. */
export function leverRows(methods: Methods, known: readonly MethodSummary[], blocks: number): LeverRow[] {
  const uses = methods.levers ?? []
  const row = (lever: 'sparsity' | 'rank'): LeverRow => {
    const can = known.filter(({ family }) => family === families[lever])
    return {
      ...{ lever, ...words[lever], methods: can },
      use: uses.find((use) => can.some(({ id }) => id === use.method)) ?? null,
      closed: can.length === 0 ? 'This Lathe has no method for it.' : null,
    }
  }
  return [
    { lever: 'bits', ...words.bits, use: null, methods: [], closed: null },
    row('sparsity'),
    row('rank'),
    {
      ...{ lever: 'depth', ...words.depth, methods: known.filter(({ id }) => id === removeBlocks) },
      use: uses.find(({ method }) => method === removeBlocks) ?? null,
      closed: blocks > 1 ? null : 'This network has no blocks that could be left out.',
    },
  ]
}

/** The lever worked by `use`, or not at all. */
export function withLever(now: Methods, row: LeverRow, use: MethodUse | null): Methods {
  const old = row.use
  const levers = (now.levers ?? []).filter((one) => one !== old && one.method !== old?.method)
  const { levers: _gone, ...rest } = now
  const next = use === null ? levers : [...levers, use]
  return next.length > 0 ? { ...rest, levers: next } : rest
}

/** What switching a lever on means: its usual method as it comes; for depth, up to a quarter of the blocks. */
export const usualUse = ({ lever, methods }: LeverRow, blocks: number): MethodUse | null => {
  if (lever === 'depth')
    return { method: removeBlocks, parameters: { most: Math.max(1, Math.min(blocks - 1, Math.floor(blocks / 4))) } }
  const [first] = methods
  return first ? { method: first.id, parameters: {} } : null
}

export const mostOf = (use: MethodUse | null): number =>
  typeof use?.parameters.most === 'number' ? use.parameters.most : 2

/** 'Wanda', 'up to 2 blocks': what a lever that is on does. */
export function leverNote({ lever, use }: LeverRow, known: readonly MethodSummary[]): string {
  if (use === null) return lever === 'bits' ? 'always' : 'off'
  if (lever === 'depth') return `up to ${mostOf(use)} ${mostOf(use) === 1 ? 'block' : 'blocks'}`
  return known.find(({ id }) => id === use.method)?.title ?? use.method
}

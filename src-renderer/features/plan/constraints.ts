import type { LayerSummary } from '../../../src-preload/contract/model.ts'
import type { Constraints } from '../../../src-preload/contract/plan.ts'
import type { Lever } from '../../../src-preload/contract/results.ts'
import { formatBits, formatLoss } from '../../ui/format.ts'

const without = <V>(record: Readonly<Record<string, V>>, key: string): Record<string, V> => {
  const { [key]: _gone, ...rest } = record
  return rest
}

export const constraintCount = (now: Constraints): number => constraintLines(now).length

/** These levers alone; all that are offered, or none, take the bound away. */
export const withOnly = (now: Constraints, drawn: readonly Lever[], offered: readonly Lever[]): Constraints => ({
  ...now,
  only: drawn.length === 0 || offered.every((lever) => drawn.includes(lever)) ? null : [...drawn],
})
/** All layers whose name holds these words have so many bits at least, or at most. */
export function withBounds(
  now: Constraints,
  kind: 'floors' | 'ceilings',
  layers: readonly string[],
  bits: number,
): Constraints {
  return { ...now, [kind]: { ...now[kind], ...Object.fromEntries(layers.map((name) => [name, bits])) } }
}

/** null takes the bound away. */
export const withFloor = (now: Constraints, layer: string, bits: number | null): Constraints => ({
  ...now,
  floors: bits === null ? without(now.floors, layer) : { ...now.floors, [layer]: bits },
})
export const withCeiling = (now: Constraints, layer: string, bits: number | null): Constraints => ({
  ...now,
  ceilings: bits === null ? without(now.ceilings, layer) : { ...now.ceilings, [layer]: bits },
})
export const withBlockKept = (now: Constraints, block: number, isKept: boolean): Constraints => ({
  ...now,
  keepBlocks: isKept
    ? [...new Set([...now.keepBlocks, block])].sort((a, b) => a - b)
    : now.keepBlocks.filter((one) => one !== block),
})
/** A layer stands in one group at most: it leaves those it was in, and a group of one is none. */
export function withAlike(now: Constraints, layers: readonly string[]): Constraints {
  const taken = new Set(layers)
  const others = now.alike.map((group) => group.filter((name) => !taken.has(name))).filter((group) => group.length > 1)
  return { ...now, alike: taken.size > 1 ? [...others, [...taken]] : others }
}

/** Groups that people ask for: all layers of one role, and what lies together in a block. */
export function usualGroups(layers: readonly LayerSummary[]): { title: string; layers: string[] }[] {
  const compressible = layers.filter(({ compressible: can }) => can)
  const groups = new Map<string, string[]>()
  const add = (title: string, name: string): void => void groups.set(title, [...(groups.get(title) ?? []), name])
  for (const { name, role } of compressible) add(`All ${role} layers`, name)
  for (const { name, block } of compressible) if (block !== null) add(`Block ${block}`, name)
  return [...groups].flatMap(([title, names]) => (names.length > 1 ? [{ title, layers: names }] : []))
}

export interface ConstraintLine {
  key: string
  words: string
  without: Constraints
}

const several = ([first = '', second, ...rest]: readonly string[]): string =>
  second === undefined ? first : `${first}, ${second}${rest.length > 0 ? ` and ${rest.length} more` : ''}`

/** One line for all layers with the same bound: they were set together, and go together. */
function boundLines(now: Constraints, kind: 'floors' | 'ceilings'): ConstraintLine[] {
  const byBits = Map.groupBy(Object.entries(now[kind]), ([, bits]) => bits)
  return [...byBits].map(([bits, layers]) => {
    const names = layers.map(([name]) => name)
    const left = Object.entries(now[kind]).filter(([, other]) => other !== bits)
    const words = `${names.length === 1 ? 'has' : 'have'} at ${kind === 'floors' ? 'least' : 'most'} ${formatBits(bits)} bits`
    return {
      ...{ key: `${kind} ${bits}`, words: `${several(names)} ${words}` },
      without: { ...now, [kind]: Object.fromEntries(left) },
    }
  })
}

/** One line for each, and what is left without it. */
export function constraintLines(now: Constraints): ConstraintLine[] {
  const alike = now.alike.map((group, i): ConstraintLine => {
    const left = { ...now, alike: now.alike.filter((_, at) => at !== i) }
    return { key: `alike ${group[0] ?? ''}`, words: `${several(group)} get the same option`, without: left }
  })
  return [
    ...alike,
    ...boundLines(now, 'floors'),
    ...boundLines(now, 'ceilings'),
    ...(now.only === null
      ? []
      : [{ key: 'only', words: `Draws on ${now.only.join(' and ')} alone`, without: { ...now, only: null } }]),
    ...now.keepBlocks.map((block) => ({
      ...{ key: `block ${block}`, words: `Block ${block} is not removed` },
      without: withBlockKept(now, block, false),
    })),
    ...(now.maxLoss === null
      ? []
      : [
          {
            ...{ key: 'loss', words: `Predicted KL divergence at most ${formatLoss(now.maxLoss)} nats` },
            without: { ...now, maxLoss: null },
          },
        ]),
    ...(now.maxSeconds === null
      ? []
      : [
          {
            ...{ key: 'seconds', words: `At most ${formatLoss(now.maxSeconds * 1000)} ms a sample` },
            without: { ...now, maxSeconds: null },
          },
        ]),
  ]
}

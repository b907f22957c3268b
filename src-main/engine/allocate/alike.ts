// Layers that must take the same option, as one: tied weights, fused operators, "these layers alike".
//   merged[option] = sum over members of bytes, loss and seconds, for the options that all members have
// Done before any allocator, so that none needs to know of ties: what it chooses is expanded to the members afterwards.
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Choices, Pair } from './define.ts'
import { pairLoss } from './limits.ts'

export interface NamedChoices extends Choices {
  ids: readonly string[] // of the options, parallel to bytes
  name?: string // for the message where a group cannot agree
}

export interface Tied {
  layers: NamedChoices[] // one per group, in the order of each group's first member; untied layers as they are
  members: number[][] // layers behind each
  pairs: Pair[] // between different groups
  /** One option per tied layer -> one per original layer. */
  expand(choice: ArrayLike<number>): Int32Array
}

/** Groups that share a layer are one group. Pairs within a group become part of its losses, exactly; pairs between groups
 *  keep their rho, weighed by the mean share (geometric, over options) that the two layers have in their groups' losses. */
export function tieLayers(
  layers: readonly NamedChoices[],
  groups: readonly (readonly number[])[],
  pairs: readonly Pair[] = [],
): Tied {
  const root = Int32Array.from(layers, (_, i) => i)
  const find = (i: number): number => {
    while (root[i] !== i) i = root[i] ?? i
    return i
  }
  for (const group of groups)
    for (const member of group) {
      if (!(member in layers))
        throw new Fault(
          'bad-arguments',
          `Layer ${member} is to be like others, but the plan has ${layers.length} layers.`,
        )
      const [a, b] = [find(group[0] ?? member), find(member)]
      root[Math.max(a, b)] = Math.min(a, b) // the first member stands for all
    }
  const members: number[][] = []
  const groupOf = new Int32Array(layers.length)
  layers.forEach((_, i) => {
    const first = find(i)
    groupOf[i] = first === i ? members.push([]) - 1 : (groupOf[first] ?? 0)
    members[groupOf[i] ?? 0]?.push(i)
  })
  const options = members.map((group) => commonOptions(layers, group))
  const tied = members.map((group, g) => merge(layers, group, options[g] ?? []))
  const between: Pair[] = []
  for (const { a, b, rho } of pairs) {
    const [groupA = 0, groupB = 0] = [groupOf[a], groupOf[b]]
    const at = (i: number, group: number) =>
      options[group]?.map((row) => row[members[group]?.indexOf(i) ?? 0] ?? 0) ?? []
    const [atA, atB] = [at(a, groupA), at(b, groupB)]
    const merged = tied[groupA]
    if (groupA === groupB && merged)
      merged.loss = merged.loss.map(
        (loss, o) => loss + pairLoss(rho, layers[a]?.loss[atA[o] ?? 0] ?? 0, layers[b]?.loss[atB[o] ?? 0] ?? 0),
      )
    else
      between.push({
        a: groupA,
        b: groupB,
        rho:
          rho *
          Math.sqrt(
            meanShare(layers, members[groupA], atA, a, options[groupA]) *
              meanShare(layers, members[groupB], atB, b, options[groupB]),
          ),
      })
  }
  const expand = (choice: ArrayLike<number>): Int32Array => {
    const expanded = new Int32Array(layers.length)
    members.forEach((group, g) =>
      group.forEach((layer, m) => (expanded[layer] = options[g]?.[choice[g] ?? 0]?.[m] ?? 0)),
    )
    return expanded
  }
  return { layers: tied, members, pairs: between, expand }
}

/** Options that all members have, in the first one's order: for each the index at every member. */
function commonOptions(layers: readonly NamedChoices[], group: readonly number[]): number[][] {
  const indexes = group.map((layer) => new Map(layers[layer]?.ids.map((id, option) => [id, option])))
  const common: number[][] = []
  for (const id of layers[group[0] ?? 0]?.ids ?? []) {
    const row = indexes.map((index) => index.get(id) ?? -1)
    if (!row.includes(-1)) common.push(row)
  }
  if (common.length > 0) return common
  const names = group.map((layer) => layers[layer]?.name ?? `layer ${layer}`)
  const offers = group.map((layer, i) => `${names[i]}: ${layers[layer]?.ids.join(', ')}`).join('; ')
  throw new Fault(
    'infeasible',
    `${names.join(', ')} are to take one option, but none is open to all of them (${offers}).`,
    {
      hint: 'Take a layer out of the group, or loosen its lock, floor or ceiling.',
      data: { bounds: ['alike'], layers: names, found: offers },
    },
  )
}

function merge(layers: readonly NamedChoices[], group: readonly number[], options: number[][]): NamedChoices {
  const [first = 0] = group
  const alone = layers[first] as NamedChoices
  if (group.length === 1) return alone
  const sum = (values: (layer: Choices) => Float64Array | undefined): Float64Array =>
    Float64Array.from(options, (row) =>
      row.reduce((total, option, m) => total + (values(layers[group[m] ?? 0] as Choices)?.[option] ?? 0), 0),
    )
  return {
    ids: options.map(([option = 0]) => alone.ids[option] ?? ''),
    ...(alone.name !== undefined && { name: alone.name }),
    ...{ bytes: sum(({ bytes }) => bytes), loss: sum(({ loss }) => loss) },
    ...(group.every((layer) => layers[layer]?.seconds) && { seconds: sum(({ seconds }) => seconds) }),
  }
}

/** Of a layer in its group's loss. */
function meanShare(
  layers: readonly NamedChoices[],
  group: readonly number[] = [],
  at: readonly number[],
  layer: number,
  options: readonly number[][] = [],
): number {
  if (group.length === 1) return 1
  let [logs, counted] = [0, 0]
  options.forEach((row, o) => {
    const total = row.reduce((sum, option, m) => sum + Math.max(0, layers[group[m] ?? 0]?.loss[option] ?? 0), 0)
    const own = layers[layer]?.loss[at[o] ?? 0] ?? 0
    if (!(own > 0)) return
    logs += Math.log(own / total)
    counted++
  })
  return counted === 0 ? 0 : Math.exp(logs / counted)
}

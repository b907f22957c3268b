import type { Choices, Pair } from './define.ts'

/** Layers that pairs connect, as one choice: each option is a joint choice of its members, with the loss of all together. */
export interface Block {
  members: number[] // layers
  bytes: Float64Array // [options] rising
  loss: Float64Array // [options] falling; pairs within counted
  choices: Int32Array // [options, members]
  complete: boolean // every joint choice that is not beaten is among them
}

interface Coupling {
  members: number[]
  bytes: Float64Array[] // by member: [options]
  loss: Float64Array[]
  roots: Float64Array[] // of the losses, as pairs take them
  neighbours: { member: number; rho: number }[][] // by member; pairs of the same two layers added up
}

/** Groups of layers that pairs connect; layers without pairs stand alone. In the order of their first layers. */
export function couplings(layers: readonly Choices[], pairs: readonly Pair[]): Coupling[] {
  const root = layers.map((_, i) => i)
  const find = (i: number): number => (root[i] === i ? i : (root[i] = find(root[i] ?? i)))
  for (const { a, b } of pairs) {
    const [one, two] = [find(a), find(b)]
    root[Math.max(one, two)] = Math.min(one, two)
  }
  const groups = new Map<number, number[]>()
  layers.forEach((_, i) => groups.set(find(i), [...(groups.get(find(i)) ?? []), i]))
  return [...groups.values()].map((members) => {
    const sums = members.map(() => new Map<number, number>())
    const at = new Map(members.map((layer, member) => [layer, member]))
    for (const { a, b, rho } of pairs) {
      const [one, two] = [at.get(a), at.get(b)]
      if (one === undefined || two === undefined) continue
      sums[one]?.set(two, (sums[one]?.get(two) ?? 0) + rho)
      sums[two]?.set(one, (sums[two]?.get(one) ?? 0) + rho)
    }
    const neighbours = sums.map((sum) => [...sum].map(([member, rho]) => ({ member, rho })))
    const of = (layer: number) => layers[layer] as Choices
    return {
      ...{ members, neighbours, bytes: members.map((layer) => of(layer).bytes) },
      loss: members.map((layer) => of(layer).loss),
      roots: members.map((layer) => of(layer).loss.map((loss) => Math.sqrt(Math.max(0, loss)))),
    }
  })
}

const sizeOf = ({ bytes }: Coupling, member: number): number => bytes[member]?.length ?? 0
const bytesOf = ({ bytes }: Coupling, member: number, option: number): number => bytes[member]?.[option] ?? 0
const lossOf = ({ loss }: Coupling, member: number, option: number): number => loss[member]?.[option] ?? 0
const rootOf = ({ roots }: Coupling, member: number, option: number): number => roots[member]?.[option] ?? 0

/** What an option of a member loses with the others as they are in `choice`. */
function lossWith(coupling: Coupling, choice: Int32Array, member: number, option: number, besides = -1): number {
  let around = 0
  for (const { member: other, rho } of coupling.neighbours[member] ?? [])
    if (other !== besides) around += rho * rootOf(coupling, other, choice[other] ?? 0)
  return lossOf(coupling, member, option) + 2 * around * rootOf(coupling, member, option)
}

/** All joint choices where there are at most `most`; else those that are best at some price of a byte. */
export const blockOf = (coupling: Coupling, most: number): Block => {
  const products = coupling.members.reduce((product, _, member) => product * sizeOf(coupling, member), 1)
  return products <= most || coupling.members.length === 1 ? everyChoice(coupling, products) : goodChoices(coupling)
}

function everyChoice(coupling: Coupling, products: number): Block {
  const { members } = coupling
  const found = new Candidates(members.length, products)
  const choice = new Int32Array(members.length)
  const visit = (member: number, bytes: number, loss: number): void => {
    if (member === members.length) return found.add(choice, bytes, loss)
    for (let option = 0; option < sizeOf(coupling, member); option++) {
      choice[member] = option
      visit(member + 1, bytes + bytesOf(coupling, member, option), loss + lossBefore(coupling, choice, member))
    }
  }
  visit(0, 0, 0)
  return { members, ...found.front(), complete: true }
}

const PRICES = 32

/** For each of many prices: from what each member would choose alone, and from the choice at the price before, the best
 *  joint choice by changing two members at a time (block coordinate descent) until none improves. Beside it all choices
 *  that differ in one member, so that sizes lie close to each other. */
function goodChoices(coupling: Coupling): Block {
  const { members } = coupling
  const found = new Candidates(members.length, 1 << 12)
  let before: Int32Array | null = null
  for (const price of pricesOf(coupling)) {
    const alone = Int32Array.from(members, (_, member) => {
      const cost = (option: number) => lossOf(coupling, member, option) + price * bytesOf(coupling, member, option)
      return leastOf(sizeOf(coupling, member), cost)
    })
    const starts: Int32Array[] = before === null ? [alone] : [alone, before]
    const ends = starts.map((start) => descend(coupling, price, start.slice()))
    const cost = (choice: Int32Array) => jointLoss(coupling, choice) + price * jointBytes(coupling, choice)
    before = ends.reduce((a, b) => (cost(a) <= cost(b) ? a : b))
    for (const end of [alone, ...ends]) addWithNeighbours(coupling, end, found)
  }
  return { members, ...found.front(), complete: false }
}

function pricesOf(coupling: Coupling): number[] {
  let [least, most] = [Infinity, 0]
  coupling.members.forEach((_, member) => {
    for (let o = 0; o < sizeOf(coupling, member); o++)
      for (let p = 0; p < sizeOf(coupling, member); p++) {
        const price =
          (lossOf(coupling, member, o) - lossOf(coupling, member, p)) /
          (bytesOf(coupling, member, p) - bytesOf(coupling, member, o))
        if (!(price > 0 && price < Infinity)) continue
        least = Math.min(least, price)
        most = Math.max(most, price)
      }
  })
  if (most === 0) return [0]
  const ratio = Math.log(most / least) / (PRICES - 1)
  return [0, ...Array.from({ length: PRICES }, (_, k) => least * Math.exp(ratio * k)), 2 * most]
}

function descend(coupling: Coupling, price: number, choice: Int32Array): Int32Array {
  const { members, neighbours } = coupling
  for (let changed = true, sweep = 0; changed && sweep < 20; sweep++) {
    changed = false
    for (let member = 0; member < members.length; member++)
      for (const { member: other, rho } of neighbours[member] ?? [])
        if (other > member && improvePair(coupling, price, choice, { a: member, b: other, rho })) changed = true
  }
  return choice
}

/** The best options of two members with all others as they are. */
function improvePair(coupling: Coupling, price: number, choice: Int32Array, { a, b, rho }: Pair): boolean {
  const costs = (member: number, besides: number) =>
    Float64Array.from(
      { length: sizeOf(coupling, member) },
      (_, option) => lossWith(coupling, choice, member, option, besides) + price * bytesOf(coupling, member, option),
    )
  const [costA, costB] = [costs(a, b), costs(b, a)]
  const rootA = coupling.roots[a] as Float64Array
  const rootB = coupling.roots[b] as Float64Array
  const [o, p] = [choice[a] ?? 0, choice[b] ?? 0]
  let best = (costA[o] ?? 0) + (costB[p] ?? 0) + 2 * rho * (rootA[o] ?? 0) * (rootB[p] ?? 0)
  best -= 1e-12 * Math.abs(best)
  let changed = false
  for (let i = 0; i < costA.length; i++) {
    const own = costA[i] ?? 0
    const around = 2 * rho * (rootA[i] ?? 0)
    for (let j = 0; j < costB.length; j++) {
      const value = own + (costB[j] ?? 0) + around * (rootB[j] ?? 0)
      if (!(value < best)) continue
      best = value
      choice[a] = i
      choice[b] = j
      changed = true
    }
  }
  return changed
}

function leastOf(count: number, cost: (option: number) => number): number {
  let best = 0
  for (let option = 1; option < count; option++) if (cost(option) < cost(best)) best = option
  return best
}

const jointBytes = (coupling: Coupling, choice: Int32Array): number =>
  choice.reduce((sum, option, member) => sum + bytesOf(coupling, member, option), 0)

const jointLoss = (coupling: Coupling, choice: Int32Array): number =>
  choice.reduce((sum, _, member) => sum + lossBefore(coupling, choice, member), 0)

/** What a member adds to those before it. */
function lossBefore(coupling: Coupling, choice: Int32Array, member: number): number {
  const option = choice[member] ?? 0
  let around = 0
  for (const { member: other, rho } of coupling.neighbours[member] ?? [])
    if (other < member) around += rho * rootOf(coupling, other, choice[other] ?? 0)
  return lossOf(coupling, member, option) + 2 * around * rootOf(coupling, member, option)
}

function addWithNeighbours(coupling: Coupling, choice: Int32Array, found: Candidates): void {
  const [bytes, loss] = [jointBytes(coupling, choice), jointLoss(coupling, choice)]
  if (!found.isNew(choice)) return
  found.add(choice, bytes, loss)
  const changed = choice.slice()
  choice.forEach((option, member) => {
    const own = lossWith(coupling, choice, member, option)
    for (let other = 0; other < sizeOf(coupling, member); other++) {
      if (other === option) continue
      changed[member] = other
      const size = bytes + bytesOf(coupling, member, other) - bytesOf(coupling, member, option)
      found.add(changed, size, loss + lossWith(coupling, choice, member, other) - own)
    }
    changed[member] = option
  })
}

/** Joint choices, gathered in any order; `front` leaves those that no other beats in both bytes and loss. */
class Candidates {
  private readonly width: number
  private bytes: Float64Array
  private loss: Float64Array
  private choices: Int32Array
  private readonly seen = new Set<string>()
  private count = 0

  constructor(width: number, room: number) {
    this.width = width
    this.bytes = new Float64Array(room)
    this.loss = new Float64Array(room)
    this.choices = new Int32Array(room * width)
  }

  isNew(choice: Int32Array): boolean {
    const key = choice.join()
    if (this.seen.has(key)) return false
    this.seen.add(key)
    return true
  }

  add(choice: Int32Array, bytes: number, loss: number): void {
    if (this.count === this.bytes.length) {
      const room = 2 * this.count
      const grown = [new Float64Array(room), new Float64Array(room), new Int32Array(room * this.width)] as const
      grown[0].set(this.bytes)
      grown[1].set(this.loss)
      grown[2].set(this.choices)
      ;[this.bytes, this.loss, this.choices] = grown
    }
    this.bytes[this.count] = bytes
    this.loss[this.count] = loss
    this.choices.set(choice, this.count * this.width)
    this.count++
  }

  front(): Pick<Block, 'bytes' | 'loss' | 'choices'> {
    const { bytes, loss, choices, width } = this
    const order = Int32Array.from({ length: this.count }, (_, i) => i)
    order.sort((a, b) => (bytes[a] ?? 0) - (bytes[b] ?? 0) || (loss[a] ?? 0) - (loss[b] ?? 0) || a - b)
    let lowest = Infinity
    const kept = order.filter((i) => {
      if (!((loss[i] ?? 0) < lowest)) return false
      lowest = loss[i] ?? 0
      return true
    })
    const taken = new Int32Array(kept.length * width)
    kept.forEach((i, k) => taken.set(choices.subarray(i * width, (i + 1) * width), k * width))
    return {
      bytes: Float64Array.from(kept, (i) => bytes[i] ?? 0),
      loss: Float64Array.from(kept, (i) => loss[i] ?? 0),
      choices: taken,
    }
  }
}

import { type Configuration, prepareConfigurations } from '../../src-main/engine/allocate/configurations.ts'
import { FRAME_WORK, type Knapsack, prepareKnapsack } from '../../src-main/engine/allocate/knapsack.ts'
import { totalsOf } from '../../src-main/engine/allocate/limits.ts'
import { preparePairwise } from '../../src-main/engine/allocate/pairwise.ts'
import { allocators } from '../../src-main/engine/allocate/registry.ts'
import { greedyLoss, uniformLoss } from '../engine/allocate/baselines.ts'
import { realisticInstance } from '../engine/allocate/instances.ts'

const BUDGETS = 200

interface Timed {
  what: string
  ms: number[]
  limitMs?: number // for the 95th percentile
  note?: string
}

/** The slider: another budget each time on what was prepared once. 500 layers x 24 options within a frame, 5,000 layers in
 *  100 ms, also with eight networks that leave out more and more blocks. */
export function benchAllocate(): void {
  for (const [layers, limitMs] of [
    [500, 8], // half a frame: the other half paints
    [5000, 100],
  ] as const)
    for (const kind of ['varied', 'repeated', 'small'] as const) {
      const problem = realisticInstance(kind, layers, 24, 42)
      const preparing = times(9, () => prepareKnapsack(problem).lossBound(Infinity))
      const prepared = prepareKnapsack(problem)
      const budgets = budgetsOf(prepared)
      let proven = 0
      let gap = 0
      const solving = times(BUDGETS, (round) => {
        const answer = prepared.solve(budgets[round] ?? 0, FRAME_WORK)
        proven += Number(answer.optimal)
        gap = Math.max(gap, answer.gap / answer.loss)
      })
      const losses = budgets.map((bytes) => prepared.solve(bytes).loss)
      const exactly = times(BUDGETS, (round) => prepared.solve(budgets[round] ?? 0))
      const fewest = times(BUDGETS, (round) => prepared.fewestBytes(losses[round] ?? 0, FRAME_WORK))
      const chained = prepareConfigurations(chain(problem))
      const depth = times(BUDGETS, (round) =>
        chained.solve({ objective: 'loss', maxBytes: budgets[round] ?? 0 }, FRAME_WORK),
      )
      print(`allocate: ${kind}, ${layers} layers x 24 options, ${BUDGETS} budgets`, [
        { what: 'prepare', ms: preparing },
        { what: 'solve, frame work', ms: solving, limitMs, note: `${proven} proven, gap <= ${gap.toExponential(1)}` },
        { what: 'solve to the end', ms: exactly },
        { what: 'fewest bytes, frame work', ms: fewest, limitMs },
        { what: '8 networks, frame work', ms: depth, limitMs: 2 * limitMs },
        { what: 'curve', ms: times(9, () => prepared.curve()) },
      ])
    }
}

const budgetsOf = ({ layers, smallestBytes }: Knapsack): number[] => {
  const most = layers.reduce((sum, { bytes }) => sum + Math.max(...bytes), 0)
  return Array.from({ length: BUDGETS }, (_, k) =>
    Math.floor(smallestBytes + (most - smallestBytes) * ((k + 0.5) / BUDGETS) ** 2),
  )
}

/** Eight networks, each without another 3 % of the layers, for about what these lose at few bits. */
const chain = (layers: ReturnType<typeof realisticInstance>): Configuration[] =>
  Array.from({ length: 8 }, (_, removed) => {
    const left = Math.ceil(layers.length * (1 - 0.03 * removed))
    const loss = layers.slice(left).reduce((sum, layer) => sum + 0.3 * (layer.loss[0] ?? 0), 0)
    return { problem: { layers: layers.slice(0, left) }, loss, baseBytes: 0 }
  })

function times(rounds: number, run: (round: number) => unknown): number[] {
  run(0)
  return Array.from({ length: rounds }, (_, round) => {
    const began = performance.now()
    run(round)
    return performance.now() - began
  })
}

function print(title: string, rows: Timed[]): void {
  console.log(`\n${title}`)
  for (const { what, ms, limitMs, note = '' } of rows) {
    const sorted = ms.toSorted((a, b) => a - b)
    const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? NaN
    const verdict = limitMs === undefined ? '' : `  limit ${limitMs} ${at(0.95) <= limitMs ? 'kept' : 'MISSED'}`
    const number = (share: number) => at(share).toFixed(2).padStart(8)
    console.log(`  ${what.padEnd(26)} p50 ${number(0.5)}  p95 ${number(0.95)}  max ${number(1)} ms${verdict}  ${note}`)
  }
}

/** Every allocator on the same problem, against the exact answer and the baselines: mean loss over budgets, and time. */
export async function benchAllocators(): Promise<void> {
  for (const [layers, options] of [
    [60, 12],
    [500, 24],
  ] as const)
    for (const kind of ['varied', 'repeated'] as const) {
      const problem = realisticInstance(kind, layers, options, 7)
      const prepared = prepareKnapsack(problem)
      const budgets = budgetsOf(prepared).filter((_, k) => k % 40 === 20)
      const exact = budgets.map((bytes) => prepared.solve(bytes).loss)
      console.log(`\nallocators: ${kind}, ${layers} layers x ${options} options, ${budgets.length} budgets`)
      const row = async (what: string, loss: (bytes: number) => number | Promise<number>) => {
        const ratios: number[] = []
        const ms: number[] = []
        for (const [k, bytes] of budgets.entries()) {
          const began = performance.now()
          ratios.push((await loss(bytes)) / (exact[k] ?? NaN))
          ms.push(performance.now() - began)
        }
        const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length)
        const middle = ms.toSorted((a, b) => a - b)[ms.length >> 1] ?? NaN
        console.log(
          `  ${what.padEnd(18)} loss x ${mean.toFixed(5)}  at worst ${Math.max(...ratios).toFixed(5)}  median ${middle.toFixed(1)} ms`,
        )
      }
      for (const { id, solve, params } of allocators)
        await row(
          id,
          async (maxBytes) => (await solve({ layers: problem, objective: 'loss', maxBytes }, params.parse({}))).loss,
        )
      await row('greedy', (bytes) => greedyLoss(problem, bytes))
      await row('uniform', (bytes) => uniformLoss(problem, bytes))
    }
  benchPairs()
}

/** Blocks of seven layers whose errors meet: what the additive answer loses under the pairwise objective. */
function benchPairs(): void {
  const layers = realisticInstance('repeated', 140, 24, 9)
  const pairs = layers.flatMap((_, a) =>
    Array.from({ length: 6 - (a % 7) }, (_, k) => ({ a, b: a + 1 + k, rho: ((a * 7 + k * 13) % 10) / 12 - 0.3 })),
  )
  const began = performance.now()
  const prepared = preparePairwise(layers, pairs)
  console.log(`\npairs: 20 blocks of 7 layers x 24 options, prepared in ${(performance.now() - began).toFixed(0)} ms`)
  const additive = prepareKnapsack(layers)
  for (const maxBytes of budgetsOf(additive).filter((_, k) => k % 40 === 20)) {
    const at = performance.now()
    const { loss, gap } = prepared.within({ objective: 'loss', maxBytes }, FRAME_WORK)
    const ms = performance.now() - at
    const plain = totalsOf({ layers, pairs }, additive.solve(maxBytes).choice).loss
    console.log(
      `  loss x ${(loss / plain).toFixed(4)} of the additive answer's, bound ${((100 * gap) / loss).toFixed(0)} % below, ${ms.toFixed(1)} ms`,
    )
  }
}

import { curve, solve } from '../../src-main/engine/allocate/knapsack.ts'
import { realisticInstance } from '../engine/allocate/instances.ts'
import { printTable, sideBySide } from './measure.ts'

/** The slider's frame: 500 layers x 16 options in 16 ms, 5,000 in 100 ms, at another budget each round. */
export function benchAllocate(): void {
  for (const [layers, limitMs] of [
    [500, 16],
    [5000, 100],
  ] as const)
    for (const kind of ['varied', 'repeated', 'small'] as const) {
      const problem = realisticInstance(kind, layers, 16, 42)
      const least = problem.reduce((sum, { bytes }) => sum + Math.min(...bytes), 0)
      const most = problem.reduce((sum, { bytes }) => sum + Math.max(...bytes), 0)
      const budget = (round: number) => Math.floor(least + (most - least) * ((round + 0.5) / 41) ** 2)
      let proven = 0
      const rows = sideBySide(
        [
          { name: 'solve', limitMs, run: (round) => (proven += Number(solve(problem, budget(round)).optimal)) },
          { name: 'curve', run: () => curve(problem) },
        ],
        41,
      )
      printTable(`allocate: ${kind}, ${layers} layers x 16 options (${proven} of 42 proven optimal)`, rows)
    }
}

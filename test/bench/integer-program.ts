// Size and time limited together: how far from the proven bound the integer program ends, and when. 20 seeded networks of
// realistic size; times grow with the bits of a layer, with a fixed part and noise of their own, so that both limits bind.
//   LATHE_BENCH_CASES=5 npm run bench integer-program
import { integerProgram } from '../../src-main/engine/allocate/integer-program.ts'
import { prepareKnapsack } from '../../src-main/engine/allocate/knapsack.ts'
import { realisticInstance } from '../engine/allocate/instances.ts'
import { timed } from '../engine/allocate/timed.ts'

export async function benchIntegerProgram(): Promise<void> {
  const cases = Number(process.env.LATHE_BENCH_CASES ?? 20)
  const gaps: number[] = []
  for (let seed = 1; seed <= cases; seed++) {
    const kind = (['varied', 'repeated', 'small'] as const)[seed % 3] ?? 'varied'
    const count = seed % 2 ? 500 : 224
    const { layers, limits } = timed(realisticInstance(kind, count, 24, seed), seed)
    const began = performance.now()
    const found = await integerProgram.solve({ layers, objective: 'loss', ...limits }, integerProgram.params.parse({}))
    const seconds = (performance.now() - began) / 1000
    const bytesAlone = prepareKnapsack(layers).solve(limits.maxBytes).loss
    gaps.push(found.gap / found.loss)
    console.log(
      `seed ${seed}, ${kind}, ${count} layers x 24: gap ${((100 * found.gap) / found.loss).toExponential(1)} %, ${seconds.toFixed(1)} s; loss x ${(found.loss / bytesAlone).toFixed(3)} of that with the size limited alone`,
    )
  }
  const sorted = gaps.sort((a, b) => a - b)
  console.log(`gap: median ${(100 * (sorted[sorted.length >> 1] ?? 0)).toExponential(1)} %, at worst ${(100 * (sorted.at(-1) ?? 0)).toExponential(1)} %`) // prettier-ignore
}

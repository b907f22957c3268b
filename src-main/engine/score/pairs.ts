// What two layers do to each other: both swapped at a reference option, against each alone.
//   rho = (L_ab - L_a - L_b) / (2 sqrt(L_a L_b))
// (SYSTEMS.md A7.) Layers of one residual block see each other's errors first; a pair costs one run behind the block's border.
import type { Option } from '../../../src-preload/contract/plan.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import type { Layer, Network } from '../checkpoint/network.ts'
import { readMatrix } from '../checkpoint/weights.ts'
import type { Dataset } from '../data/types.ts'
import type { Importance } from '../export/define.ts'
import { rhoOf } from '../predict/pairs.ts'
import type { TaskContext, TaskResult } from '../protocol.ts'
import { dequantize } from '../quantize/dequantize.ts'
import type { WeightMatrix } from '../quantize/types.ts'
import { hessiansFor } from './inputs.ts'
import { refereeFor } from './referee.ts'
import { openStart, openSwap, type Passes } from './swap.ts'
import { openTrial, tryOption } from './tried.ts'

export interface PairArguments {
  network: Network
  dataset: Dataset
  block: number // where all of them begin: no layer lies before it; -1: anywhere
  samples: number
  device: DeviceId
  pairs: readonly { a: string; b: string }[]
  /** What is swapped in, by layer. */
  options: ReadonlyMap<string, Option>
  importance: Importance | null
}

/** Losses of pairs. Pairs of which a layer or its option is not there, or loses nothing, are left out. */
export async function measurePairs(args: PairArguments, context: TaskContext): Promise<TaskResult<'pairs'>> {
  const { network, dataset, block, samples, device, options, importance } = args
  const notices: string[] = []
  const heard = { ...context, notify: (notice: string) => (notices.push(notice), context.notify(notice)) }
  const wanted = new Set(args.pairs.flatMap(({ a, b }) => [a, b]))
  const layers = network.layers.filter(({ name }) => wanted.has(name) && options.has(name))
  const passes: Passes = { count: 0 }
  const referee = await refereeFor({ network, dataset, samples, device }, heard)
  const hessians = await hessiansFor({ network, dataset, samples, device }, layers, passes, heard)
  const swapped = new Map<string, [Layer, WeightMatrix]>()
  for (const layer of layers) {
    const option = options.get(layer.name)
    if (option === undefined || option.method === 'keep') continue
    const known = { hessians: hessians.get(layer.name) ?? null, importance, device }
    const { matrix } = await tryOption(await openTrial(layer, readMatrix(network, layer), known), option)
    swapped.set(layer.name, [layer, dequantize(matrix)])
  }
  const together = [...swapped.values()].map(([layer]) => layer)
  const start = await openStart(referee, [together], block, device, passes, heard)
  const [site] = start.sites
  const pairs: TaskResult<'pairs'>['pairs'] = []
  if (site) {
    const swap = await openSwap(referee, site, start.batches, device, passes, heard)
    try {
      const alone = new Map<string, number>()
      const total = swapped.size + args.pairs.length
      let done = 0
      const progress = (step: string): void => context.progress({ fraction: Math.min(1, ++done / total), step })
      for (const [name, entry] of swapped) {
        alone.set(name, (await swap.loss(new Map([entry]))).loss)
        progress(name)
      }
      for (const { a, b } of args.pairs) {
        const [one, other] = [swapped.get(a), swapped.get(b)]
        const [lossA = 0, lossB = 0] = [alone.get(a), alone.get(b)]
        progress(`${a} with ${b}`)
        if (!one || !other || !(lossA > 0) || !(lossB > 0)) continue
        const { loss } = await swap.loss(new Map([one, other]))
        if (Number.isFinite(loss)) pairs.push({ a, b, loss, lossA, lossB, rho: rhoOf(loss, lossA, lossB) })
      }
    } finally {
      await swap.release()
    }
  }
  return { pairs, samples: referee.calibration.samples, notices, passes: passes.count }
}

// How fast this machine does what jobs are made of, in about a second: for the first estimate of a job, before any of its own
// units was timed.
import type { Fault } from '../../../src-preload/contract/fault.ts'
import type { Network } from '../checkpoint/network.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import { random } from '../data/random.ts'
import type { Dataset } from '../data/types.ts'
import { evaluateNetwork } from '../evaluate/evaluate.ts'
import type { TaskContext } from '../protocol.ts'
import { weightError } from '../quantize/dequantize.ts'
import { applyOption, rtnOption } from '../quantize/options.ts'
import { rowsOf } from '../quantize/rows.ts'
import { speedGraph } from '../runtime/probe.ts'
import { openSession } from '../runtime/session.ts'

export interface Rates {
  gflops: number // of float32 matrix products [512, 512] on the CPU, a multiplication and an addition counted each
  weightsPerSecond: number // rounded to 4 bits in groups of 32, with the error measured
  openMs: number // of a session of a small graph
}

const side = 512
const products = 8 // of the graph of runtime/probe.ts
const rows = 256
const cols = 1024

/** The best of some runs: other programs only slow a run down. */
async function best(runs: number, work: () => Promise<unknown>): Promise<number> {
  let least = Infinity
  for (let run = 0; run < runs; run++) {
    const began = performance.now()
    await work()
    least = Math.min(least, performance.now() - began)
  }
  return least
}

/** What the best times of the probes, in milliseconds, come to. */
export const ratesFrom = ({
  productMs,
  roundMs,
  openMs,
}: Record<'productMs' | 'roundMs' | 'openMs', number>): Rates => ({
  gflops: (products * 2 * side ** 3) / 1e6 / productMs,
  weightsPerSecond: (1000 * rows * cols) / roundMs,
  openMs,
})

export async function measureRates({ notify }: TaskContext): Promise<Rates> {
  const open = () => openSession(speedGraph(), () => new Uint8Array(), { device: 'cpu' }, notify)
  await (await open()).release()
  const began = performance.now()
  const session = await open()
  const openMs = performance.now() - began
  try {
    const x = { dtype: 'float32', dims: [side, side], data: new Float32Array(side * side).fill(1) } as const
    const productMs = await best(4, () => session.run({ x: { ...x, dims: [...x.dims] } }))
    const source = random(1)
    const weight = { data: Float32Array.from({ length: rows * cols }, () => source.normal()), rows, cols }
    const roundMs = await best(3, async () => weightError(rowsOf(weight), await applyOption(weight, rtnOption(4, 32))))
    return ratesFrom({ productMs, roundMs, openMs })
  } finally {
    await session.release()
  }
}

export interface NetworkPace {
  perSampleMs: number // run and judged, in batches as evaluations make them
  fixedMs: number // opening it
  samples: number // that were run
}

interface Timed {
  ms: number // opened, run and judged
  samples: number
  samplesPerSecond: number // run alone
}

/** What one batch and then two of a network took tells of a sample, and of what comes before the first. */
export function paceFrom(one: Timed, two: Timed): NetworkPace {
  const more = two.samples - one.samples
  // Running alone is a lower bound: what lies beside it is noisy where opening takes longer than a batch.
  const bound = two.samplesPerSecond > 0 ? 1000 / two.samplesPerSecond : 0
  const perSampleMs = Math.max(bound, more > 0 ? (two.ms - one.ms) / more : two.ms / two.samples)
  return { perSampleMs, fixedMs: Math.max(0, two.ms - perSampleMs * two.samples), samples: one.samples + two.samples }
}

/** One batch and then two of the network itself, judged as the original is. null, and said, where it cannot run. */
export async function measurePace(
  network: Network,
  dataset: Dataset,
  device: DeviceId,
  { notify, progress }: TaskContext,
): Promise<NetworkPace | null> {
  const common = { network, dataset, overrides: null, device, part: 'evaluate' } as const
  const run = async (limit: number): Promise<Timed> => {
    const began = performance.now()
    const { samples, samplesPerSecond } = await evaluateNetwork(
      { ...common, limit },
      { progress, notify: () => undefined },
    )
    return { ms: performance.now() - began, samples, samplesPerSecond }
  }
  const batch = dataset.kind === 'text' ? 8 : dataset.kind === 'noise' ? 1 : 64
  try {
    const one = await run(batch)
    return paceFrom(one, await run(2 * batch))
  } catch (error) {
    notify(`How fast ${network.name} runs was not measured. ${(error as Fault).message}`)
    return null
  }
}

// What leaving blocks out costs, measured one block more at a time.
//   loss(R + b) = mean over predicted rows of KL(p_whole || p_without R and b), in nats
// Greedy order by it: take the cheapest b, add it to R, measure again. Compare ShortGPT (Men et al. 2024), which takes the
// order from one pass (1 - cos of block input and output), and Shortened LLaMA (Kim et al. 2024, section 3.1), which measures
// the perplexity without each block once; after each removal the others weigh differently, so they are measured anew here.
// The network without b equals the rest of the network behind b, fed with what entered b: all of these come from one pass.
// Cost of a step with n blocks left: two forward passes and n runs of what lies behind a block, n / 2 passes on average.
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Network } from '../checkpoint/network.ts'
import type { Batch, Dataset } from '../data/types.ts'
import { meanWithInterval } from '../evaluate/interval.ts'
import type { Judge } from '../evaluate/judge.ts'
import { removableBlocks } from '../graph/rewrites/shortcut.ts'
import type { TaskContext, TaskResult } from '../protocol.ts'
import { calibrate } from './calibration.ts'
import { partOutputs, passingBy } from './skipped.ts'

export interface DepthArguments {
  whole: Network // what losses are measured against
  left: Network // without the blocks that are out already
  /** Why a block cannot be left out beside those, in words; null where it can. */
  refuses: (block: number) => string | null
  dataset: Dataset
  samples: number
  device: DeviceId
}

type Candidate = TaskResult<'depth'>['candidates'][number]

/** Loss of each block still there, were it left out too. Blocks that cannot be are told in a notice; there may be
 *  none that can. Faults 'unsupported' where there is no graph. */
export async function measureDepth(args: DepthArguments, context: TaskContext): Promise<TaskResult<'depth'>> {
  const { whole, left, dataset, samples, device } = args
  const { graph } = left
  const notices: string[] = []
  const heard = { ...context, notify: (notice: string) => (notices.push(notice), context.notify(notice)) }
  const all = removableBlocks(left).map((block) => ({ ...block, reason: block.reason ?? args.refuses(block.index) }))
  const free = all.filter(({ reason }) => reason === null)
  if (graph === null || whole.graph === null)
    throw new Fault('unsupported', `${whole.name} holds tensors only: no block of it can be left out.`, {
      hint: 'Choose another lever for this network.',
      data: { file: whole.path },
    })
  const barred = all.filter(({ reason }) => reason !== null)
  if (barred.length > 0) heard.notify(`${barred.length} of ${all.length} blocks cannot be left out: ${barred.map(({ index, reason }) => `block ${index + 1}: ${reason}`).join('; ')}.`) // prettier-ignore
  const unit = dataset.unit
  if (free.length === 0) return { candidates: [], samples: 0, source: 'no block can be left out', notices }

  const steps = free.length + 1
  const quiet = { ...heard, progress: () => undefined }
  const calibration = await calibrate({ network: left, dataset, samples, device }, heard)
  const { judge } = calibration
  const run = { device, notify: heard.notify }
  const references = await partOutputs(
    { network: whole, cut: [], value: judgedValue(whole, left, judge), ...run },
    await calibration.at([], quiet),
  )
  context.progress({ fraction: 1 / steps, step: 'the whole network' })
  const candidates: Candidate[] = []
  for (const { index, input, output } of free) {
    if (input === null || output === null) continue
    const batches = await calibration.at([input], quiet)
    const part = { network: left, cut: [output], value: judge.value, ...run }
    const outputs = await partOutputs(part, passingBy(batches, { input, output }))
    candidates.push({ block: index, ...(await lossOf(judge, batches, references, outputs)) })
    context.progress({ fraction: (1 + candidates.length) / steps, step: `without block ${index + 1}` })
  }
  const source = `measured with whole blocks left out on ${calibration.samples} ${unit}`
  return { candidates, samples: calibration.samples, source, notices }
}

/** The judged value as the whole network calls it: where the last block's end was judged itself, that has gone. */
const judgedValue = (whole: Network, left: Network, judge: Judge): string =>
  left.head !== null && whole.head !== null && judge.value === left.head.hidden ? whole.head.hidden : judge.value

async function lossOf(
  judge: Judge,
  batches: readonly { batch: Batch }[],
  references: readonly Float32Array[],
  outputs: readonly Float32Array[],
): Promise<{ loss: number; standardError: number }> {
  const values: number[] = []
  const clusters: number[] = []
  let before = 0
  for (const [index, { batch }] of batches.entries()) {
    const { targets, size } = batch
    const [reference, output] = [references[index] ?? new Float32Array(), outputs[index] ?? new Float32Array()]
    const { kl } = await judge.compare(reference, output, targets)
    const rows = (targets?.length ?? kl.length) / size // of one sample
    let at = 0
    for (let row = 0; row < rows * size && at < kl.length; row++) {
      if (targets?.[row] === -1) continue
      values.push(kl[at++] ?? 0)
      clusters.push(before + Math.floor(row / rows))
    }
    before += size
  }
  const { value, high } = meanWithInterval(values, clusters)
  return { loss: value, standardError: high === null ? 0 : (high - value) / 1.959964 }
}

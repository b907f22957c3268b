import { createHash } from 'node:crypto'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import type { Evaluation, Metric } from '../../../src-preload/contract/results.ts'
import type { Network } from '../checkpoint/network.ts'
import { readFloat32 } from '../checkpoint/weights.ts'
import type { Batch, Dataset } from '../data/types.ts'
import type { TaskContext } from '../protocol.ts'
import { deviceTitles } from '../runtime/fallback.ts'
import { peakMeter } from '../runtime/resident.ts'
import type { TensorValue } from '../runtime/types.ts'
import { openBody, type Body } from './body.ts'
import { outputCache } from './cache.ts'
import type { Measured } from './define.ts'
import { createJudge, type Judge } from './judge.ts'
import { Gathering, isFloat } from './gathering.ts'
import { evaluators } from './registry.ts'
import { judgedTask, scoredUnit } from './task.ts'
import { joinRows } from './tiles.ts'
import type { RowStatistics } from './types.ts'

export interface EvaluateArguments {
  network: Network
  dataset: Dataset
  part: 'evaluate' | 'calibrate'
  /** Weights of the candidate by tensor name, float32 in memory order; null: the network as it is. */
  overrides: ReadonlyMap<string, Float32Array> | null
  /** The original to compare with, where it is another checkpoint than `network`. */
  against?: Network | undefined
  device: DeviceId
  limit?: number | undefined // samples
  batchSize?: number | undefined
}

export type EvaluationResult = Omit<Evaluation, 'id' | 'variant' | 'bytes'>

/** Samples of one batch unless told otherwise: fixed, so that the same evaluation always adds in the same order. */
const defaultBatch = { text: 8, 'image-classification': 64, noise: 1 } as const
/** The scores of a masked language model for all words of all tokens lie in memory at once. */
const maskedBatch = 2

interface Sides {
  network: Network
  candidate: { body: Body; judge: Judge; values: string[] }
  original: { body: Body | null; judge: Judge; values: string[] }
  candidateHead: Float32Array | undefined
  release: () => Promise<void>
}

const outputsOf = (network: Network, judge: Judge): string[] =>
  judge.kind === 'parity' ? (network.graph?.outputs.map((output) => output.name) ?? []) : [judge.value]

function checkPair(network: Network, against: Network): void {
  const [task, wanted] = [judgedTask(network), judgedTask(against)]
  if (task !== wanted)
    throw new Fault('bad-arguments', `${network.name} and ${against.name} do different things`, {
      data: { expected: wanted, found: task },
    })
  const [one, other] = [network.head?.vocabulary, against.head?.vocabulary]
  if (one !== undefined && other !== undefined && one !== other)
    throw new Fault('bad-arguments', `${network.name} knows ${one} tokens, ${against.name} knows ${other}`)
}

/** Opens candidate and original. The original's session is left closed where all its outputs are known already. */
async function openSides(args: EvaluateArguments, known: boolean, notify: (notice: string) => void): Promise<Sides> {
  const { network, overrides, device } = args
  const against = args.against ?? network
  checkPair(network, against)
  // One side has no head to stream through, or the two bend their logits differently.
  const logits = (network.head === null) !== (against.head === null) || network.head?.softCap !== against.head?.softCap
  const originalJudge = await createJudge(against, { device, notify, logits })
  const candidateJudge = against === network ? originalJudge : await createJudge(network, { device, notify, logits })
  const values = { candidate: outputsOf(network, candidateJudge), original: outputsOf(against, originalJudge) }
  const candidate = await openBody(network, values.candidate, overrides, device, notify)
  const compared = overrides !== null || args.against !== undefined
  let original: Body | null = null
  try {
    original = compared && !known ? await openBody(against, values.original, null, device, notify) : null
  } catch (error) {
    await candidate.release()
    throw error
  }
  let candidateHead: Float32Array | undefined
  if (network.head && !logits) {
    const changed = overrides?.get(network.head.weight)
    candidateHead = changed ?? (against === network ? undefined : readFloat32(network, network.head.weight))
  }
  const sides: Sides = {
    network,
    candidate: { body: candidate, judge: candidateJudge, values: values.candidate },
    original: { body: original, judge: originalJudge, values: values.original },
    candidateHead,
    async release() {
      await candidate.release()
      await sides.original.body?.release() // it may have been opened later
      await originalJudge.release()
      if (candidateJudge !== originalJudge) await candidateJudge.release()
    },
  }
  return sides
}

function numbersOf(values: ReadonlyMap<string, TensorValue>, name: string): TensorValue & { data: Float32Array } {
  const value = values.get(name)
  if (value && isFloat(value)) return value
  throw new Fault('unsupported', `The output "${name}" is of type ${value?.dtype ?? 'nothing'}, not float32.`, {
    data: { tensor: name, expected: 'float32', found: value?.dtype ?? 'nothing' },
  })
}

/** Compares one batch's outputs and adds the result. */
async function judgeBatch(
  gathering: Gathering,
  sides: Sides,
  batch: Batch,
  candidate: ReadonlyMap<string, TensorValue>,
  original: ReadonlyMap<string, TensorValue>,
  before: number,
): Promise<void> {
  const { judge } = sides.original
  if (judge.kind === 'parity') {
    gathering.addParity(original, candidate)
    return
  }
  const y = numbersOf(candidate, sides.candidate.judge.value)
  const x = numbersOf(original, judge.value)
  judge.learn(x.dims)
  const length = judge.rowLength ?? x.data.length
  const allRows = x.data.length / length
  // Language models give a row for each token, others one for each sample; fixed batches may end in idle ones.
  const perSample = scoredUnit(sides.network) === 'token' ? allRows / samplesIn(batch) : 1
  const rowsPerSample = batch.targets ? batch.targets.length / samplesIn(batch) : perSample
  const used = batch.size * rowsPerSample
  const scored = batch.targets?.subarray(0, used) ?? null
  const targets = scored?.some((target) => target !== -1) ? scored : null
  const width = sides.candidate.judge.rowLength ?? length
  const rows = await judge.compare(
    x.data.subarray(0, used * length),
    y.data.subarray(0, used * width),
    targets,
    sides.candidateHead,
  )
  gathering.addRows(rows, batch, rowsPerSample, targets, before)
}

/** Rows of the batch dimension, idle ones included. */
const samplesIn = (batch: Batch): number => Object.values(batch.feeds)[0]?.dims[0] ?? batch.size

function refuseBroken(rows: RowStatistics, name: string): void {
  const broken = rows.kl.findIndex((value) => !Number.isFinite(value))
  const unsure = rows.nll?.findIndex((value) => !Number.isFinite(value)) ?? -1
  if (broken === -1 && unsure === -1) return
  throw new Fault(
    'verification',
    `${name} gives values that are not numbers, first at prediction ${Math.max(broken, unsure)}.`,
    {
      hint: 'A layer overflows: give it more bits, or keep it as it is.',
      data: { found: 'NaN or infinity' },
    },
  )
}

const keyOf = (...parts: unknown[]): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex')

/**
 * Judges a network, or a candidate against its original, in one pass over a part of a data set: quality with 95 % intervals
 * and speed. Faults 'bad-data' where the part is empty, 'verification' where the candidate gives no numbers.
 */
export async function evaluateNetwork(args: EvaluateArguments, context: TaskContext): Promise<EvaluationResult> {
  const { network, dataset, part, device, limit } = args
  const data = dataset[part]
  const samples = Math.min(data.samples, limit ?? data.samples)
  if (samples === 0)
    throw new Fault('bad-data', `${dataset.path}: the part "${part}" has no samples`, { data: { file: dataset.path } })
  const started = performance.now()
  const notices: string[] = []
  const notify = (notice: string) => {
    notices.push(notice)
    context.notify(notice)
  }
  const against = args.against ?? network
  const compared = args.overrides !== null || args.against !== undefined
  const batchSize =
    args.batchSize ??
    (network.task === 'masked-lm' && dataset.kind === 'text' ? maskedBatch : defaultBatch[dataset.kind])
  const unit = dataset.unit.split(' ')[0] ?? 'samples'
  context.progress({ fraction: 0, step: `opening ${network.name}` })

  const cache = outputCache(
    keyOf(against.fingerprint, dataset.fingerprint, part, limit, batchSize, device, network.head === null),
  )
  const batches = Math.ceil(samples / batchSize)
  const known = compared && Array.from({ length: batches }, (_, index) => cache.get(index)).every(Boolean)
  const meter = peakMeter()
  const sides = await openSides(args, known, notify)
  const gathering = new Gathering()
  const classes = new Set<number>() // the first two that are to be told
  try {
    let index = 0
    for await (const batch of data.batches({ batchSize, limit: samples })) {
      const before = gathering.samples
      const candidate = await sides.candidate.body.run(batch)
      gathering.time(batch, candidate.seconds)
      let original = candidate.values
      if (compared) {
        const kept = cache.get(index)
        original = kept ?? (await originalOutputs(args, sides, batch, notify))
        if (!kept) cache.put(index, original)
      }
      await judgeBatch(gathering, sides, batch, candidate.values, original, before)
      for (const target of batch.targets ?? []) if (target >= 0 && classes.size < 2) classes.add(target)
      index++
      meter.look()
      const done = gathering.samples
      context.progress({ fraction: done / samples, step: `${done} of ${samples} ${unit}` })
    }
    const isOneClass = classes.size === 1 && gathering.samples > 1 && scoredUnit(network) === 'sample'
    if (isOneClass) notify(`All ${samples} evaluation samples are of one class: accuracy says little here.`)
    const rows = gathering.rows.length > 0 ? joinRows(gathering.rows) : null
    if (rows) refuseBroken(rows, network.name)
    const measured: Measured = {
      task: judgedTask(network),
      compared,
      rows,
      clusters: Int32Array.from(gathering.clusters),
      parity: rows ? null : { signal: gathering.signal, noise: gathering.noise, largest: gathering.largest },
      speed: gathering.speed(),
    }
    const all: Record<string, Metric> = Object.assign({}, ...evaluators.map((evaluator) => evaluator.apply(measured)))
    const { samplesPerSecond, ...metrics } = all
    return {
      samples: gathering.samples,
      predictions: gathering.predictions,
      metrics,
      seconds: (performance.now() - started) / 1000,
      samplesPerSecond: samplesPerSecond?.value ?? 0,
      peakBytes: meter.peak(),
      device: deviceTitles[sides.candidate.body.device],
      data: `${dataset.fingerprint}#${part}`,
      part,
      notices: [...dataset.notices, ...notices],
    }
  } finally {
    await sides.release()
  }
}

/** The original's outputs; its session is opened only where something is missing from the cache. */
async function originalOutputs(
  args: EvaluateArguments,
  sides: Sides,
  batch: Batch,
  notify: (notice: string) => void,
): Promise<Map<string, TensorValue>> {
  const body =
    sides.original.body ??
    (await openBody(args.against ?? args.network, sides.original.values, null, args.device, notify))
  sides.original.body = body
  return (await body.run(batch)).values
}

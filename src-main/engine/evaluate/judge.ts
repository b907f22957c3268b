import { Fault } from '../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import type { LanguageHead, Network } from '../checkpoint/network.ts'
import { readFloat32 } from '../checkpoint/weights.ts'
import { openSession } from '../runtime/session.ts'
import type { Graph } from '../graph/ir.ts'
import type { Session } from '../runtime/types.ts'
import { logitsValue } from './output.ts'
import { scoredUnit } from './task.ts'
import { compareLogits } from './rows.ts'
import { tileGraph } from './tile-graph.ts'
import { compareHidden, compareManyLogits, type HiddenSide } from './tiles.ts'
import type { RowStatistics } from './types.ts'

export interface Judge {
  /** language: hidden states through the head. classifier: logits. parity: any numbers. */
  readonly kind: 'language' | 'classifier' | 'parity'
  /** The graph value the body must output. */
  readonly value: string
  /** Numbers in one row of that value; null until known, see `learn`. */
  readonly rowLength: number | null
  /** Tells the length of a row where the graph does not: dims of `value` as a session gave them. */
  learn(dims: readonly number[]): void
  /**
   * Compares a candidate's `value` with the original's, row by row; rows with target -1 are left out of the result.
   * `candidateHead` [vocabulary, width] stands in for the head. Without classes (parity), one call is one row:
   * `kl` is ||y - x||^2 / ||x||^2 and `agree` tells whether all numbers are equal.
   */
  compare(
    reference: Float32Array,
    candidate: Float32Array,
    targets: Int32Array | null,
    candidateHead?: Float32Array,
  ): Promise<RowStatistics>
  release(): Promise<void>
}

export interface JudgeOptions {
  device: DeviceId
  notify: (notice: string) => void
  /** Compare logits even where the head is known: the other side may have none. */
  logits?: boolean
}

/** Up to here plain double precision in this thread is quick enough. */
const fewClasses = 4096
const keptHeadBytes = 2 ** 30

/** Rows of a head in memory order; kept in memory unless it is very large. */
export function headReader(network: Network, head: LanguageHead, override?: Float32Array): HiddenSide['head'] {
  const { weight, vocabulary, width } = head
  let whole = override ?? null
  return (begin, end) => {
    if (!whole && vocabulary * width * 4 <= keptHeadBytes) whole = readFloat32(network, weight)
    return whole
      ? whole.subarray(begin * width, end * width)
      : readFloat32(network, weight, { begin: begin * width, end: end * width })
  }
}

const opener = (from: 'hidden' | 'logits', options: JudgeOptions, softCap?: number): (() => Promise<Session>) => {
  let session: Promise<Session> | null = null
  const none = () => new Uint8Array() // the graph's constants are inline
  return () => (session ??= openSession(tileGraph(from, softCap), none, { device: options.device }, options.notify))
}

function languageJudge(network: Network, head: LanguageHead, options: JudgeOptions): Judge {
  const session = opener('hidden', options, head.softCap)
  const rows = headReader(network, head)
  let opened = false
  return {
    kind: 'language',
    value: head.hidden,
    rowLength: head.width,
    learn: () => undefined,
    async compare(reference, candidate, targets, candidateHead) {
      opened = true
      const { softCap } = head
      const a = { hidden: reference, width: head.width, head: rows, softCap }
      // Another network's hidden states may be wider or narrower: its head tells.
      const width = candidateHead ? candidateHead.length / head.vocabulary : head.width
      const other = candidateHead && headReader(network, { ...head, width }, candidateHead)
      const b = { hidden: candidate, width, head: other ?? rows, softCap }
      return compareHidden(await session(), a, b, head.vocabulary, targets)
    },
    release: async () => {
      if (opened) await (await session()).release()
    },
  }
}

/** Numbers in a row of the first output, where the graph tells it. */
function staticRowLength(network: Network): number | null {
  const shape = network.graph?.outputs[0]?.shape
  if (!shape || shape.length < 2) return null
  const inner = scoredUnit(network) === 'token' ? shape.slice(-1) : shape.slice(1)
  return inner.every((dim) => typeof dim === 'number') ? inner.reduce((product, dim) => product * dim, 1) : null
}

function classifierJudge(network: Network, value: string, options: JudgeOptions): Judge {
  const session = opener('logits', options)
  let opened = false
  let classes = staticRowLength(network)
  return {
    kind: 'classifier',
    value,
    get rowLength() {
      return classes
    },
    learn(dims) {
      // [N, C], [N, C, 1, 1] or [batch, time, vocabulary]
      const inner = scoredUnit(network) === 'token' ? dims.slice(-1) : dims.slice(1)
      classes = inner.reduce((product, dim) => product * dim, 1)
    },
    async compare(reference, candidate, targets) {
      classes ??= targets ? reference.length / targets.length : null
      if (classes === null || reference.length % classes !== 0 || reference.length !== candidate.length)
        throw new Fault(
          'bad-arguments',
          `${network.name}: outputs of ${reference.length} and ${candidate.length} numbers`,
          {
            data: { expected: `rows of ${classes ?? 'unknown'} classes` },
          },
        )
      if (classes <= fewClasses) return compareLogits(reference, candidate, classes, targets)
      opened = true
      return compareManyLogits(await session(), reference, candidate, classes, targets)
    },
    release: async () => {
      if (opened) await (await session()).release()
    },
  }
}

/** ||y - x||^2 / ||x||^2, or the difference alone where x is all zero. */
export function noiseToSignal(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let noise = 0
  let signal = 0
  for (let index = 0; index < x.length; index++) {
    const value = x[index] ?? 0
    const difference = (y[index] ?? 0) - value
    noise += difference * difference
    signal += value * value
  }
  const ratio = signal > 0 ? noise / signal : noise
  return Number.isNaN(ratio) ? Number.POSITIVE_INFINITY : ratio
}

const parityJudge = (value: string): Judge => ({
  kind: 'parity',
  value,
  rowLength: null,
  learn: () => undefined,
  compare: (reference, candidate) => {
    const ratio = noiseToSignal(reference, candidate)
    return Promise.resolve({
      rows: 1,
      kl: Float64Array.of(ratio),
      nll: null,
      referenceNll: null,
      agree: Uint8Array.of(ratio === 0 ? 1 : 0),
      rank: null,
      referenceRank: null,
    })
  },
  release: () => Promise.resolve(),
})

/** The output that stands for all: what a sentence-transformers network is made for, else the first. */
const featureOf = ({ outputs }: Graph): string =>
  (outputs.find(({ name }) => name === 'sentence_embedding') ?? outputs[0])?.name ?? ''

/** What tells how far a candidate is from a network's own answers. Faults 'unsupported' where nothing can be run. */
export async function createJudge(network: Network, options: JudgeOptions): Promise<Judge> {
  const { graph, head } = network
  const value = graph ? logitsValue(graph) : null
  if (!graph || value === null)
    throw new Fault('unsupported', `${network.path}: tensors only, nothing can be run and judged`, {
      data: { file: network.path },
    })
  if (head && !options.logits) return languageJudge(network, head, options)
  if (scoredUnit(network) === null) return parityJudge(featureOf(graph))
  return classifierJudge(network, value, options)
}

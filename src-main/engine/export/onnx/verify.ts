import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Dataset } from '../../data/types.ts'
import type { Network } from '../../checkpoint/network.ts'
import { openFile, openSession } from '../../runtime/session.ts'
import type { Session, TensorValue, WeightReader } from '../../runtime/types.ts'
import { noiseFeeds } from './noise.ts'
import { runParts, type Feeds } from './parts.ts'

/** Largest difference that summing in another order explains: ||file - variant|| / ||variant|| over an output. */
export const TOLERANCE = 1e-3
/** Where activations are rounded, too: a value near the border of two codes falls to either, and so does all behind it. ONNX
 *  Runtime also rounds the biases of integer convolutions. */
export const ROUNDED_TOLERANCE = 5e-2

/** Networks of more float32 bytes run part by part, on a few tokens. */
export const WHOLE_UP_TO_BYTES = 2 ** 29

/** Float32 weights, the model's bytes they come in, and what the session packs from them. */
const SESSION_COPIES = 3
const FEW_TOKENS = 64

/** Runs the written file in a session of its own, as any program would, and the variant that was evaluated (the original
 *  graph with dequantized weights), and compares every output. Gives what was checked, in words; Fault 'verification' on
 *  a difference beyond TOLERANCE. One session at a time is in memory; where the float32 weights take more than
 *  `wholeUpToBytes`, one block of the variant at a time. */
export async function verifyExport(
  network: Network,
  path: string,
  variant: WeightReader,
  dataset: Dataset | null,
  notify: (notice: string) => void,
  wholeUpToBytes = WHOLE_UP_TO_BYTES,
): Promise<string[]> {
  const { graph } = network
  if (graph === null) throw new Fault('internal', `${network.name} has no graph to compare with`)
  const bytes = network.layers.reduce((sum, layer) => sum + layer.parameters, 0) * 4
  if (bytes > wholeUpToBytes && network.blocks.length > 0) {
    const run = (feeds: Feeds) => runParts({ ...network, graph }, variant, feeds, notify)
    const wanted = await runOnFeeds(network, dataset, run, true)
    const written = await during(openFile(path, { device: 'cpu' }, notify), async (session) =>
      wanted === null ? null : await session.run(wanted.feeds),
    )
    return wanted === null || written === null
      ? [unknownInputs]
      : compareAll(path, written, wanted, toleranceOf(network))
  }
  const written = await during(openFile(path, { device: 'cpu' }, notify), (session) =>
    runOnFeeds(network, dataset, (feeds) => session.run(feeds), false),
  )
  if (written === null) return [unknownInputs]
  const { feeds, source } = written
  const [needed, free] = [bytes * SESSION_COPIES, process.availableMemory()]
  if (needed > free) {
    return [
      `Opened in a fresh session and run on ${source}. Not compared with the variant: that takes ${needed} bytes of memory, ${free} are free.`,
    ]
  }
  const outputs = await during(openSession(graph, variant, { device: 'cpu' }, notify), (session) => session.run(feeds))
  return compareAll(path, written.outputs, { outputs, source }, toleranceOf(network))
}

const unknownInputs =
  'Opened in a fresh session. Outputs not compared: no sizes of inputs are known, and no data was given.'

export const compareAll = (
  path: string,
  written: Feeds,
  { outputs, source }: Pick<Run, 'outputs' | 'source'>,
  tolerance = TOLERANCE,
): string[] => Object.keys(outputs).map((name) => compare(path, name, written[name], outputs[name], source, tolerance))

export const toleranceOf = ({ rounding }: Pick<Network, 'rounding'>): number =>
  rounding ? ROUNDED_TOLERANCE : TOLERANCE

async function during<T>(opening: Promise<Session>, use: (session: Session) => Promise<T>): Promise<T> {
  const session = await opening
  try {
    return await use(session)
  } finally {
    await session.release()
  }
}

function compare(
  path: string,
  name: string,
  found: TensorValue | undefined,
  wanted: TensorValue | undefined,
  source: string,
  tolerance: number,
): string {
  const [a, b] = [numbersOf(found), numbersOf(wanted)]
  const fault = (what: string, data = {}) =>
    new Fault('verification', `${path}: output "${name}" of the written file ${what} (${source}). It was removed.`, {
      hint: 'This is a defect of the exporter: please report it with the recipe.',
      data: { file: path, field: name, ...data },
    })
  if (a.length !== b.length)
    throw fault('has another shape than the variant', { expected: `${b.length}`, found: `${a.length}` })
  let [error, energy, largest] = [0, 0, 0]
  for (let i = 0; i < b.length; i++) {
    const [x, y] = [a[i] ?? NaN, b[i] ?? NaN]
    if (x === y || (Number.isNaN(x) && Number.isNaN(y))) {
      energy += Number.isFinite(y) ? y * y : 0
      continue
    }
    error += (x - y) ** 2
    energy += y * y
    largest = Math.max(largest, Math.abs(x - y))
  }
  const relative = error === 0 ? 0 : Math.sqrt(error / energy)
  if (!(relative <= tolerance)) {
    throw fault(`differs from the variant by ${relative.toExponential(2)}`, {
      expected: `at most ${tolerance}`,
      found: relative.toExponential(2),
    })
  }
  return (
    `Output "${name}" equals the variant's on ${source}: relative difference ${relative.toExponential(1)}, ` +
    `largest ${largest.toExponential(1)} (at most ${tolerance} allowed)`
  )
}

const numbersOf = (value: TensorValue | undefined): ArrayLike<number> =>
  value === undefined ? [] : value.data instanceof BigInt64Array ? Array.from(value.data, Number) : value.data

interface Run {
  feeds: Feeds
  outputs: Feeds
  source: string // of the feeds, in words
}

/** Runs on evaluation samples, else on noise; null where no guess of the inputs' sizes fits. */
async function runOnFeeds(
  network: Network,
  dataset: Dataset | null,
  run: (feeds: Feeds) => Promise<Feeds>,
  few: boolean,
): Promise<Run | null> {
  const on = async (feeds: Feeds, source: string): Promise<Run> => ({ feeds, source, outputs: await run(feeds) })
  if (dataset !== null && dataset.kind !== 'noise') {
    const samples = few ? 1 : 4
    for await (const { feeds, size } of dataset.evaluate.batches({ batchSize: samples, limit: samples })) {
      if (few && network.head !== null) return on(firstTokens(feeds), `the first tokens of an evaluation sample`)
      return on(feeds, `${size} evaluation samples`)
    }
  }
  if (dataset !== null) {
    for await (const { feeds } of dataset.calibrate.batches({ batchSize: 1, limit: 1 })) {
      return on(feeds, "the data set's noise")
    }
  }
  for (const feeds of noiseFeeds(network)) {
    try {
      return await on(feeds, 'seeded noise')
    } catch (error) {
      if (!isMisfit(error)) throw error // this guess of the inputs' sizes does not fit: try the next
    }
  }
  return null
}

/** Token ids of [1, time], cut where the window is long: logits of a whole one take a gigabyte. */
const firstTokens = (feeds: Feeds): Feeds =>
  Object.fromEntries(
    Object.entries(feeds).map(([name, value]) => {
      const [batch, time = 0] = value.dims
      const cut = batch === 1 && value.dims.length === 2 && time > FEW_TOKENS
      return [name, cut ? { ...value, dims: [1, FEW_TOKENS], data: value.data.slice(0, FEW_TOKENS) } : value]
    }),
  )

const isMisfit = (error: unknown): boolean =>
  error instanceof Fault && (error.code === 'device' || error.code === 'unsupported')

import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Dataset } from '../../data/types.ts'
import type { Network } from '../../checkpoint/network.ts'
import { openFile, openSession } from '../../runtime/session.ts'
import type { Session, TensorValue, WeightReader } from '../../runtime/types.ts'
import { noiseFeeds } from './noise.ts'

/** Largest difference that summing in another order explains: ||file - variant|| / ||variant|| over an output. */
export const TOLERANCE = 1e-3

/** Float32 weights, the model's bytes they come in, and what the session packs from them. */
const SESSION_COPIES = 3

type Feeds = Record<string, TensorValue>

/** Runs the written file in a session of its own, as any program would, then the variant that was evaluated (the original
 *  graph with dequantized weights), and compares every output. Gives what was checked, in words; Fault 'verification' on
 *  a difference beyond TOLERANCE. One session at a time is in memory. */
export async function verifyExport(
  network: Network,
  path: string,
  variant: WeightReader,
  dataset: Dataset | null,
  notify: (notice: string) => void,
): Promise<string[]> {
  const { graph } = network
  if (graph === null) throw new Fault('internal', `${network.name} has no graph to compare with`)
  const written = await during(openFile(path, { device: 'cpu' }, notify), async (session) => {
    const { feeds, source } = await chooseFeeds(network, dataset, session)
    return { feeds, source, outputs: feeds === null ? {} : await session.run(feeds) }
  })
  const { feeds, source, outputs } = written
  if (feeds === null) return [`Opened in a fresh session. Outputs not compared: ${source}.`]
  const needed = network.layers.reduce((sum, layer) => sum + layer.parameters, 0) * 4 * SESSION_COPIES
  const free = process.availableMemory()
  if (needed > free) {
    return [
      `Opened in a fresh session and run on ${source}. Not compared with the variant: that takes ${needed} bytes of memory, ${free} are free.`,
    ]
  }
  const wanted = await during(openSession(graph, variant, { device: 'cpu' }, notify), (session) => session.run(feeds))
  return Object.keys(wanted).map((name) => compare(path, name, outputs[name], wanted[name], source))
}

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
  if (!(relative <= TOLERANCE)) {
    throw fault(`differs from the variant by ${relative.toExponential(2)}`, {
      expected: `at most ${TOLERANCE}`,
      found: relative.toExponential(2),
    })
  }
  return (
    `Output "${name}" equals the variant's on ${source}: relative difference ${relative.toExponential(1)}, ` +
    `largest ${largest.toExponential(1)} (at most ${TOLERANCE} allowed)`
  )
}

const numbersOf = (value: TensorValue | undefined): ArrayLike<number> =>
  value === undefined ? [] : value.data instanceof BigInt64Array ? Array.from(value.data, Number) : value.data

async function chooseFeeds(
  network: Network,
  dataset: Dataset | null,
  session: Session,
): Promise<{ feeds: Feeds | null; source: string }> {
  if (dataset !== null && dataset.kind !== 'noise') {
    for await (const batch of dataset.evaluate.batches({ batchSize: 4, limit: 4 })) {
      return { feeds: batch.feeds, source: `${batch.size} evaluation samples` }
    }
  }
  if (dataset !== null) {
    for await (const batch of dataset.calibrate.batches({ batchSize: 1, limit: 1 })) {
      return { feeds: batch.feeds, source: "the data set's noise" }
    }
  }
  for (const feeds of noiseFeeds(network)) {
    try {
      await session.run(feeds)
      return { feeds, source: 'seeded noise' }
    } catch (error) {
      if (!(error instanceof Fault)) throw error // this guess of the inputs' sizes does not fit: try the next
    }
  }
  return { feeds: null, source: 'no sizes of inputs are known, and no data was given' }
}

// The graph with a cache is another graph than the one that was evaluated: both must give the same logits, at once and
// token by token.
import type { Network } from '../../checkpoint/network.ts'
import { random } from '../../data/random.ts'
import { compareAll, toleranceOf } from '../onnx/verify.ts'
import { openFile, openSession } from '../../runtime/session.ts'
import type { Session, TensorValue, WeightReader } from '../../runtime/types.ts'

const TOKENS = 12
const AT_ONCE = 8 // then one by one

type Feeds = Record<string, TensorValue>
const integers = (values: readonly number[]): TensorValue => ({
  dtype: 'int64',
  dims: [1, values.length],
  data: BigInt64Array.from(values, BigInt),
})
const count = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

/** Runs the written file with its cache, and the variant's own graph over the whole text; gives what was checked, in
 *  words. Fault 'verification' on a difference. */
export async function verifyGenerator(
  network: Network,
  path: string,
  variant: WeightReader,
  notify: (notice: string) => void,
): Promise<string[]> {
  const source = random(1)
  const vocabulary = network.head?.vocabulary ?? 2
  const tokens = count(0, TOKENS).map(() => Math.floor(source.uniform() * vocabulary))
  const written = await during(openFile(path, { device: 'cpu' }, notify), async (session) => {
    let cache = emptyCache(network, session)
    const logits: Float32Array[] = []
    for (const [begin, end] of [[0, AT_ONCE], ...count(AT_ONCE, TOKENS).map((i) => [i, i + 1])] as [number, number][]) {
      const outputs = await session.run({
        input_ids: integers(tokens.slice(begin, end)),
        attention_mask: integers(count(0, end).map(() => 1)),
        position_ids: integers(count(begin, end)),
        ...cache,
      })
      logits.push(outputs.logits?.data as Float32Array)
      cache = Object.fromEntries(
        Object.entries(outputs).flatMap(([name, value]) =>
          name.startsWith('present.') ? [[name.replace('present.', 'past_key_values.'), value]] : [],
        ),
      )
    }
    return joined(logits)
  })
  const whole = network.graph
  if (whole === null) return []
  const wanted = await during(openSession(whole, variant, { device: 'cpu' }, notify), (session) =>
    session.run({ input_ids: integers(tokens) }, ['logits']),
  )
  const dims = wanted.logits?.dims ?? []
  const found: Feeds = { logits: { dtype: 'float32', dims, data: written } }
  const told = `${AT_ONCE} random tokens at once and ${TOKENS - AT_ONCE} one by one`
  return compareAll(path, found, { outputs: wanted, source: told }, toleranceOf(network))
}

/** Caches of no tokens yet. */
function emptyCache(network: Network, session: Session): Feeds {
  const inputs = new Map(network.cached?.().inputs.map((input) => [input.name, input]))
  return Object.fromEntries(
    session.inputNames.flatMap((name) => {
      if (!name.startsWith('past_key_values.')) return []
      const [, heads, , size] = inputs.get(name)?.shape ?? []
      return [
        [name, { dtype: 'float32', dims: [1, Number(heads), 0, Number(size)], data: new Float32Array(0) } as const],
      ]
    }),
  )
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

async function during<T>(opening: Promise<Session>, use: (session: Session) => Promise<T>): Promise<T> {
  const session = await opening
  try {
    return await use(session)
  } finally {
    await session.release()
  }
}

// The process that runs one model file for running.ts: an order on standard input, one line of JSON as the answer.
import { readFileSync } from 'node:fs'
import { toFault } from '../../../src-preload/contract/fault.ts'
import { encodeModel } from '../checkpoint/onnx/encode.ts'
import { runtime, type Tensor } from './ort.ts'
import { speedGraph } from './probe.ts'
import { endWithParent } from './parent.ts'
import { peakMeter } from './resident.ts'
import type { Order, Running } from './running.ts'
import { settings } from './session.ts'
import { fromBytes, toTensor } from './tensors.ts'

const tensorsOf = (feeds: Order['sample']): Record<string, Tensor> =>
  Object.fromEntries(
    feeds.map(({ name, dtype, dims, base64 }) => [
      name,
      toTensor(name, fromBytes(dtype, dims, new Uint8Array(Buffer.from(base64, 'base64')))),
    ]),
  )

async function running(order: Order): Promise<Running> {
  await endWithParent(order.parent)
  const { InferenceSession } = runtime()
  const options = settings('cpu', order.threads)
  // The runtime's own code and threads are there before counting begins, and what reading the order left is gone.
  const small = await InferenceSession.create(
    encodeModel(speedGraph(), () => new Uint8Array()),
    options,
  )
  await small.run({ x: toTensor('x', { dtype: 'float32', dims: [16, 16], data: new Float32Array(256).fill(1) }) })
  const [sample, timed] = [tensorsOf(order.sample), tensorsOf(order.timed)]
  ;(globalThis as { gc?: () => void }).gc?.()
  const meter = peakMeter()
  const session = await InferenceSession.create(order.path, options)
  const openBytes = meter.peak()
  // Twice: the runtime learns from the first run what it keeps for the next.
  for (let run = 0; run < 2; run++) {
    await session.run(sample)
    meter.look()
  }
  const peakBytes = meter.peak()
  const seconds: number[] = []
  for (let i = 0; i < order.warmUp; i++) await session.run(timed)
  const began = performance.now()
  const late = (): boolean => performance.now() - began > order.mostSeconds * 1000
  while (seconds.length < order.mostRuns && (seconds.length < order.leastRuns || !late())) {
    const before = performance.now()
    await session.run(timed)
    seconds.push((performance.now() - before) / 1000)
  }
  return { openBytes, peakBytes, seconds }
}

const say = (answer: unknown): void => {
  process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(0))
}
try {
  say(await running(JSON.parse(readFileSync(0, 'utf8')) as Order))
} catch (error) {
  say({ fault: toFault(error).toShape() })
}

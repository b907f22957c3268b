// Where matrix products run. A device other than the CPU is measured against it at first use, on three sizes, transfers
// included; from the smallest size on at which it wins, and at all larger ones, products go there. The answer is remembered,
// across processes too (remembered.ts), until somebody asks for it to be measured again: `lathe doctor` does.
import type { DeviceId } from '../../../../src-preload/contract/project.ts'
import { openProduct } from '../../runtime/product.ts'
import { defaultThreads } from '../../runtime/session.ts'
import { keep, recall } from './remembered.ts'

export interface DeviceChoice {
  device: DeviceId
  /** Products of m n k multiplications and more run on the device; Infinity: none. */
  from: number
  measured: { size: number; cpuMs: number; deviceMs: number }[] // square products; Infinity where the device failed
  at: string // when it was measured, ISO 8601
}

const SIZES = [256, 768, 1536]
const RUNS = 3
const choices = new Map<DeviceId, Promise<DeviceChoice>>()

/** What was measured before, here or by an earlier process; measures where nothing was, or `again`. Never throws: a device
 *  that fails is not chosen. */
export function choiceFor(device: DeviceId, { again = false } = {}): Promise<DeviceChoice> {
  const known = (again ? undefined : choices.get(device)) ?? find(device, again)
  choices.set(device, known)
  return known
}

async function find(device: DeviceId, again: boolean): Promise<DeviceChoice> {
  const before = again ? null : recall(device)
  if (before) return before
  const choice = await measure(device)
  keep(choice)
  return choice
}

/** Sets what a measurement would find: products of `from` multiplications and more run on the device. */
export function rememberChoice(device: DeviceId, from: number): void {
  choices.set(device, Promise.resolve({ device, from, measured: [], at: new Date().toISOString() }))
}

/** The device that a product of m n k multiplications runs on. */
export async function placeOf(wanted: DeviceId, work: number): Promise<DeviceId> {
  if (wanted === 'cpu') return 'cpu'
  return work >= (await choiceFor(wanted)).from ? wanted : 'cpu'
}

/** A few words for `lathe doctor`. */
export function explainChoice({ from, measured }: DeviceChoice): string {
  const least = measured.find(({ size }) => size ** 3 >= from)
  const largest = least ?? measured.at(-1)
  if (!largest) return 'matrix products were not measured'
  const times = `${largest.deviceMs.toFixed(1)} ms against ${largest.cpuMs.toFixed(1)} ms on the CPU`
  if (largest.deviceMs === Infinity) return 'matrix products failed there and run on the CPU'
  if (!least) return `matrix products run on the CPU (${largest.size} x ${largest.size}: ${times})`
  return `matrix products from ${least.size} x ${least.size} on run there (${times})`
}

async function measure(device: DeviceId): Promise<DeviceChoice> {
  const measured: DeviceChoice['measured'] = []
  for (const size of SIZES) {
    const cpuMs = await fastest('cpu', size)
    const deviceMs = await fastest(device, size)
    measured.push({ size, cpuMs, deviceMs })
    if (deviceMs > 20 * cpuMs) break // it will not catch up
  }
  const losing = measured.findLastIndex(({ cpuMs, deviceMs }) => deviceMs >= cpuMs)
  const least = measured.length === SIZES.length ? measured[losing + 1] : undefined
  return { device, from: least ? least.size ** 3 : Infinity, measured, at: new Date().toISOString() }
}

/** Milliseconds of the best of a few runs, after one to warm up: other programs only slow a run down. */
async function fastest(device: DeviceId, size: number): Promise<number> {
  let failed = false
  const shape = { transA: true, transB: false, alpha: 1, beta: 0, hasC: false }
  const product = await openProduct(shape, { device, threads: defaultThreads() }, () => (failed = true))
  const operand = (): { data: Float32Array; dims: [number, number] } => ({
    data: new Float32Array(size * size).fill(0.01),
    dims: [size, size],
  })
  const [a, b, y] = [operand(), operand(), operand()]
  let best = Infinity
  for (let run = 0; run <= RUNS && !failed; run++) {
    const began = performance.now()
    await product.run(a, b, null, y)
    if (run > 0 && !failed) best = Math.min(best, performance.now() - began)
  }
  await product.release()
  return failed ? Infinity : best
}

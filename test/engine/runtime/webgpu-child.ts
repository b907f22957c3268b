// Runs in a process of its own, whose environment names the software Vulkan driver: one batch of a network on the CPU and on
// WebGPU. Prints { device, notices, largest, difference } as JSON.
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'

const [model = '', data = ''] = process.argv.slice(2)
const network = openNetwork(model)
const dataset = await openDataset({ path: data, split: 'auto' }, network)
const notices: string[] = []
const outputs: Float32Array[] = []
let device = ''
for (const wanted of ['cpu', 'webgpu'] as const) {
  if (!network.graph) throw new Error('no graph')
  const notify = (notice: string) => notices.push(notice)
  const session = await openSession(network.graph, weightReader(network), { device: wanted }, notify)
  for await (const batch of dataset.evaluate.batches({ batchSize: 1, limit: 1 })) {
    const [first] = Object.values(await session.run(batch.feeds))
    outputs.push(first?.data as Float32Array)
  }
  device = session.device
  await session.release()
}
const [cpu = new Float32Array(0), gpu = new Float32Array(0)] = outputs
const largest = cpu.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
const difference = cpu.reduce((most, value, index) => Math.max(most, Math.abs(value - (gpu[index] ?? Number.NaN))), 0)
process.stdout.write(JSON.stringify({ device, notices, largest, difference, count: cpu.length }))

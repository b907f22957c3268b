import { expect, test } from 'vitest'
import type { AppContext } from '../../src-main/app/context.ts'
import { deviceHandlers } from '../../src-main/app/device.ts'
import type { Device } from '../../src-preload/contract/project.ts'

const cpu: Device = { id: 'cpu', title: 'CPU', available: true, reason: '2 threads', gflops: null }
const gpu: Device = { id: 'webgpu', title: 'WebGPU', available: true, reason: '', gflops: null }
const caller = { door: 'web', windowId: 1 } as never

test('a speed that was measured is told by later lists, too, but not of a device that is gone', async () => {
  let answer: Device[] = [cpu, gpu]
  const context = { questions: { run: () => Promise.resolve(answer) } } as unknown as AppContext
  const list = async (measure: boolean) => {
    const devices = await deviceList({ measure }, caller)
    return devices.map(({ gflops }) => gflops)
  }
  const { 'device.list': deviceList } = deviceHandlers(context)
  expect(await list(false)).toEqual([null, null])
  answer = [
    { ...cpu, gflops: 26 },
    { ...gpu, gflops: 400 },
  ]
  expect(await list(true)).toEqual([26, 400])
  answer = [cpu, { ...gpu, available: false }]
  expect(await list(false)).toEqual([26, null])
  answer = [{ ...cpu, gflops: 31 }, gpu]
  expect(await list(true)).toEqual([31, 400])
})

import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { listDevices } from '../../../src-main/engine/runtime/devices.ts'
import { sweepTemporary, temporaryFolder } from '../../../src-main/engine/runtime/temporary.ts'

test('every device is listed once; the CPU works and is measured; others say why not', async () => {
  const devices = await listDevices({ measure: true })
  expect(devices.map((device) => device.id)).toEqual(['cpu', 'webgpu', 'cuda', 'dml', 'coreml'])
  const cpu = devices[0]
  expect(cpu?.available).toBe(true)
  expect(cpu?.gflops).toBeGreaterThan(0.5)
  expect(cpu?.gflops).toBeLessThan(100_000)
  for (const device of devices) {
    expect(device.reason).not.toBe('')
    if (!device.available) expect(device.gflops).toBeNull()
  }
  if (process.platform !== 'win32')
    expect(devices[3]).toMatchObject({ available: false, reason: 'exists on Windows only' })
})

test('folders of engines that are gone are swept, those of living ones stay', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lathe-test-'))
  try {
    mkdirSync(join(folder, 'lathe-session-999999999-dead'))
    mkdirSync(join(folder, 'something else'))
    const mine = temporaryFolder(folder)
    sweepTemporary(folder)
    expect(readdirSync(folder).sort()).toEqual([mine.slice(folder.length + 1), 'something else'].sort())
  } finally {
    rmSync(folder, { recursive: true })
  }
})

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { choiceFor, type DeviceChoice, placeOf } from '../../../src-main/engine/kernels/linear/device.ts'
import { keep, machineWords, recall } from '../../../src-main/engine/kernels/linear/remembered.ts'

const folder = mkdtempSync(join(tmpdir(), 'lathe-test-'))
const path = join(folder, 'devices.json')
beforeAll(() => void vi.stubEnv('LATHE_DEVICE_CHOICES', path))
afterAll(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true })
})

const at = '2026-02-03T04:05:06.000Z'
const quick: DeviceChoice = { device: 'cuda', from: 768 ** 3, measured: [{ size: 768, cpuMs: 9, deviceMs: 2 }], at }
const failed: DeviceChoice = { device: 'dml', from: Infinity, measured: [{ size: 256, cpuMs: 1, deviceMs: Infinity }], at } // prettier-ignore

test('what was measured is told again, failures too, each device by itself', () => {
  expect(recall('cuda')).toBeNull()
  keep(quick)
  keep(failed)
  expect(recall('cuda')).toEqual(quick)
  expect(recall('dml')).toEqual(failed)
  expect(recall('coreml')).toBeNull()
  expect(readdirSync(folder)).toEqual(['devices.json'])
})

test('products go where an earlier process found them quicker, and nothing is measured for it', async () => {
  expect(await choiceFor('cuda')).toEqual(quick) // this machine need not have one
  expect(await placeOf('cuda', 768 ** 3)).toBe('cuda')
  expect(await placeOf('cuda', 768 ** 3 - 1)).toBe('cpu')
})

test('another runtime, processor or number of threads, or a damaged file, is measured again', () => {
  const file = readFileSync(path, 'utf8')
  writeFileSync(path, file.replaceAll(machineWords(), 'another machine'))
  expect(recall('cuda')).toBeNull()
  writeFileSync(path, file.slice(0, 90))
  expect(recall('cuda')).toBeNull()
  keep(quick)
  expect(recall('cuda')).toEqual(quick)
})

test('asked again, it is measured anew, and that is what is remembered', async () => {
  const choice = await choiceFor('cpu', { again: true }) // against itself: it is there on every machine
  expect(choice.measured[0]).toMatchObject({ size: 256, cpuMs: expect.any(Number) as number })
  expect(recall('cpu')).toEqual(choice)
  expect(choice.at > at).toBe(true)
})

test('a place that cannot be written costs nothing but a measurement', () => {
  vi.stubEnv('LATHE_DEVICE_CHOICES', join(folder, 'not there', 'devices.json'))
  keep(quick)
  expect(recall('cuda')).toBeNull()
  vi.stubEnv('LATHE_DEVICE_CHOICES', path)
})

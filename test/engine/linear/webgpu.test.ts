// GPTQ with its products on WebGPU, without a graphics card: SwiftShader, the software Vulkan driver inside Debian's chromium
// package. Stated: at most 2 % of the codes differ (a weight between two codes may fall to either side, and those after it
// make up for it), and the output error is the same within 1 %.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { explainChoice } from '../../../src-main/engine/kernels/linear/device.ts'

const folder = ['/usr/lib/chromium', '/usr/lib/chromium-browser'].find((path) =>
  existsSync(join(path, 'libvk_swiftshader.so')),
)
if (folder === undefined) process.stderr.write('skipped: GPTQ on WebGPU: no SwiftShader driver (Debian: chromium)\n')

interface Answer {
  notices: string[]
  differing: number
  errors: [number, number]
  tried: number
  chosen: boolean
  reason: string
}

function runChild(driver: string): Promise<Answer> {
  const place = mkdtempSync(join(tmpdir(), 'lathe-test-'))
  const library = join(driver, 'libvk_swiftshader.so')
  const icd = JSON.parse(readFileSync(join(driver, 'vk_swiftshader_icd.json'), 'utf8')) as { ICD: object }
  writeFileSync(join(place, 'icd.json'), JSON.stringify({ ...icd, ICD: { ...icd.ICD, library_path: library } }))
  const env = { ...process.env, VK_ICD_FILENAMES: join(place, 'icd.json'), LD_LIBRARY_PATH: driver }
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'webgpu-child.ts')], { env })
    let [output, trouble] = ['', '']
    child.stdout.on('data', (chunk) => (output += String(chunk)))
    child.stderr.on('data', (chunk) => (trouble += String(chunk)))
    child.on('error', reject)
    child.on('close', (code) => {
      rmSync(place, { recursive: true })
      if (code === 0) resolve(JSON.parse(output) as Answer)
      else reject(new Error(`child ended with ${code}: ${trouble}`))
    })
  })
}

describe.skipIf(folder === undefined)('products on WebGPU', () => {
  test(
    'give the same codes within the stated tolerance, and are measured before they are chosen',
    { timeout: 300_000 },
    async () => {
      const { notices, differing, errors, tried, chosen, reason } = await runChild(folder ?? '')
      expect(notices).toEqual([]) // nothing fell back to the CPU
      expect(differing).toBeLessThan(0.02)
      expect(Math.abs(errors[1] / errors[0] - 1)).toBeLessThan(0.01)
      expect(tried).toBeGreaterThan(0)
      expect(reason).toMatch(chosen ? /run there \(/ : /run on the CPU \(/)
    },
  )
})

test.each([
  { times: [[1, 3], [9, 8], [70, 20]], from: 768 ** 3, says: 'matrix products from 768 x 768 on run there (8.0 ms against 9.0 ms on the CPU)' }, // prettier-ignore
  { times: [[1, 30]], from: Infinity, says: 'matrix products run on the CPU (256 x 256: 30.0 ms against 1.0 ms on the CPU)' }, // prettier-ignore
  { times: [[1, Infinity]], from: Infinity, says: 'matrix products failed there and run on the CPU' },
])('a choice in words: $says', ({ times, from, says }) => {
  const measured = times.map(([cpuMs = 0, deviceMs = 0], i) => ({ size: [256, 768, 1536][i] ?? 0, cpuMs, deviceMs }))
  expect(explainChoice({ device: 'webgpu', from, measured, at: '2026-01-01T00:00:00.000Z' })).toBe(says)
})

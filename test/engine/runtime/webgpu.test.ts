// The WebGPU path without a graphics card: SwiftShader, the software Vulkan driver inside Debian's chromium package.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { dataPath, hasData, skipReason } from '../../helpers/data.ts'
import { networkCases, writeCase } from '../families/golden-case.ts'

const folder = ['/usr/lib/chromium', '/usr/lib/chromium-browser'].find((path) =>
  existsSync(join(path, 'libvk_swiftshader.so')),
)
const missing = !hasData ? skipReason : folder === undefined ? 'no SwiftShader driver (Debian: chromium)' : null
if (missing !== null) process.stderr.write(`skipped: WebGPU on SwiftShader: ${missing}\n`)

interface Answer {
  device: string
  notices: string[]
  largest: number
  difference: number
  count: number
}

function compare(model: string, data: string): Promise<Answer> {
  const driver = folder ?? ''
  const place = mkdtempSync(join(tmpdir(), 'lathe-test-'))
  const icd = JSON.parse(readFileSync(join(driver, 'vk_swiftshader_icd.json'), 'utf8')) as {
    ICD: { library_path: string }
  }
  icd.ICD.library_path = join(driver, 'libvk_swiftshader.so')
  writeFileSync(join(place, 'icd.json'), JSON.stringify(icd))
  writeFileSync(join(place, 'data.yaml'), data)
  // The package's own Vulkan loader serves where the system has none.
  const env = { ...process.env, VK_ICD_FILENAMES: join(place, 'icd.json'), LD_LIBRARY_PATH: driver }
  return new Promise<Answer>((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, 'webgpu-child.ts'), model, join(place, 'data.yaml')],
      { env },
    )
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

/** Largest difference of any output over the largest output: float32 sums in another order. */
const tolerance = 1e-5

describe.skipIf(missing !== null)('WebGPU gives what the CPU gives', () => {
  test('a convolutional network', { timeout: 300_000 }, async () => {
    const answer = await compare(
      dataPath('cifar10/resnet20.onnx'),
      `kind: image-classification
images: ${dataPath('cifar10/test_images_u8.npy')}
preprocess: { channels: RGB, mean: [123.675, 116.28, 103.53], scale: [58.395, 57.12, 57.375] }`,
    )
    expect(answer).toMatchObject({ device: 'webgpu', notices: [], count: 10 })
    expect(answer.difference / answer.largest).toBeLessThan(tolerance)
  })

  test('a Llama, whose positions need an exact sine', { timeout: 300_000 }, async () => {
    const answer = await compare(
      dataPath('stories260K'),
      `kind: text
evaluate: { text: ${dataPath('stories260K/valid.txt')} }
context: 256
document-separator: "<|endoftext|>"`,
    )
    expect(answer).toMatchObject({ device: 'webgpu', notices: [] })
    expect(answer.count).toBe(255 * 512)
    expect(answer.difference / answer.largest).toBeLessThan(tolerance)
  })

  // Padded and shifted windows, two towers, the end of a text.
  test.each(['swin_padded', 'clip_end'])('%s on seeded noise', { timeout: 300_000 }, async (name) => {
    const golden = [...networkCases('encoder'), ...networkCases('vision')].find((each) => each.name === name)
    if (!golden) throw new Error(`no case ${name}`)
    const model = writeCase(golden)
    onTestFinished(() => rmSync(model, { recursive: true }))
    const dims = name.startsWith('swin') ? '' : '\ndims: { time: 12 }'
    const answer = await compare(model, `kind: noise\nsamples: 4${dims}`)
    expect(answer).toMatchObject({ device: 'webgpu', notices: [] })
    expect(answer.difference / answer.largest).toBeLessThan(tolerance)
  })
})

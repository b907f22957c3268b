import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { linkSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { exporters } from '../../../src-main/engine/export/registry.ts'
import { exportOnnx } from '../../../src-main/engine/export/onnx/write.ts'
import { planBytes } from '../../../src-main/engine/export/onnx/plan.ts'
import { verifyExport } from '../../../src-main/engine/export/onnx/verify.ts'
import { partsOf, runParts } from '../../../src-main/engine/export/onnx/parts.ts'
import { artifactReader, variantWeights } from '../../../src-main/engine/export/onnx/weights.ts'
import { weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { openStaging } from '../../../src-main/engine/export/staging.ts'
import { openFile } from '../../../src-main/engine/runtime/session.ts'
import { imageData, quiet, residualNetwork, temporaryFolder } from '../score/network.ts'
import { compress } from './compress.ts'
import { relativeError } from './helpers.ts'

const network = residualNetwork()
const dataset = imageData()
const plan = planBytes(network, 'packed')
const widths = [2, 3, 4, 5, 6, 7, 8, 32]
const { artifacts, plannedBytes } = compress(network, plan, temporaryFolder(), (layer) => widths[layer % 8] ?? 8)
const base = { network, artifacts, dataset, overwrite: false, plannedBytes }
const [onnx] = exporters
if (onnx === undefined) throw new Error('no exporter')

const hidden = (folder: string) => readdirSync(folder).filter((name) => name.startsWith('.'))
const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')

test('every ONNX format writes a file of the planned size, checked, with a manifest, and the same bytes each time', async () => {
  for (const exporter of exporters.filter(({ extension }) => extension === '.onnx')) {
    const own = exporter.planBytes(network)
    const planned = own.layers.reduce(
      (sum, { options }, layer) => sum + (options.find(({ bits }) => bits === widths[layer % 8])?.bytes ?? NaN),
      own.baseBytes,
    )
    const folder = temporaryFolder()
    const result = await exporter.write({ ...base, path: join(folder, 'a.onnx'), plannedBytes: planned }, quiet)
    const [file] = result.files
    expect(result.files).toHaveLength(1)
    expect(Math.abs((file?.bytes ?? 0) / planned - 1), exporter.id).toBeLessThan(0.02)
    expect(file?.sha256).toBe(sha256(join(folder, 'a.onnx')))
    expect(result.verified[0]).toContain('equals the variant')
    expect(readdirSync(folder).sort()).toEqual(['a.README.md', 'a.lathe.json', 'a.onnx'])
    const manifest = JSON.parse(readFileSync(join(folder, 'a.lathe.json'), 'utf8')) as Record<string, unknown>
    expect(manifest).toMatchObject({ lathe: 1, format: exporter.id, bytes: file?.bytes, plannedBytes: planned })
    expect(manifest.source).toMatchObject({ fingerprint: network.fingerprint })
    await exporter.write({ ...base, path: join(folder, 'b.onnx'), plannedBytes: planned }, quiet)
    expect(sha256(join(folder, 'b.onnx'))).toBe(file?.sha256)
  }
})

test('a folder as target gets model.onnx', async () => {
  const folder = join(temporaryFolder(), 'new', 'folder')
  const result = await onnx.write({ ...base, path: folder }, quiet)
  expect(result.files[0]?.path).toBe(join(folder, 'model.onnx'))
})

test('large models keep their tensors in a file beside them', async () => {
  const folder = temporaryFolder()
  const limits = { modelBytes: 0, tensorBytes: 512 }
  const args = { ...base, path: join(folder, 'm.onnx') }
  const result = await exportOnnx(args, 'packed', 'onnx', quiet, limits)
  expect(result.files).toHaveLength(2)
  const [model, data] = result.files
  expect(data?.path).toMatch(/m\.onnx\.[0-9a-f]{8}\.data$/)
  expect((model?.bytes ?? 0) + (data?.bytes ?? 0)).toBeGreaterThan(plannedBytes)
  const session = await openFile(model?.path ?? '', { device: 'cpu' }, () => undefined)
  expect(session.outputNames).toEqual(['logits'])
  await session.release()
})

test('a large network is compared part by part, with the same outputs as in one piece', async () => {
  const folder = temporaryFolder()
  const { files } = await onnx.write({ ...base, path: join(folder, 'a.onnx') }, quiet)
  const compressed = new Set(artifacts.map(({ layer }) => layer))
  const variant = variantWeights(network, compressed, artifactReader({ network, artifacts }))
  const checked = await verifyExport(network, files[0]?.path ?? '', variant, dataset, () => undefined, 0)
  expect(checked[0]).toMatch(/"logits" equals the variant's on 1 evaluation samples/)
  const { graph } = network
  if (graph === null) throw new Error('no graph')
  const whole = { ...network, graph }
  expect(partsOf(whole)).toHaveLength(network.blocks.length + 1)
  for await (const { feeds } of dataset.evaluate.batches({ batchSize: 2, limit: 2 })) {
    const inParts = await runParts(whole, variant, feeds, () => undefined)
    const atOnce = await runParts({ ...whole, blocks: [] }, variant, feeds, () => undefined)
    const error = relativeError(inParts.logits?.data as Float32Array, atOnce.logits?.data as Float32Array)
    expect(error).toBeLessThan(1e-6)
  }
})

test('what must not be replaced is not', async () => {
  const folder = temporaryFolder()
  const at = (name: string) => join(folder, name)
  writeFileSync(at('other'), 'mine')
  writeFileSync(at('file.onnx'), 'mine')
  symlinkSync(at('other'), at('link.onnx'))
  linkSync(at('other'), at('hard.onnx'))
  mkdirSync(at('folder.onnx'))
  const refused = async (path: string, overwrite: boolean, words: RegExp, model = network) => {
    await expect(onnx.write({ ...base, network: model, path, overwrite }, quiet), path).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(words) as string,
    })
  }
  await refused(at('file.onnx'), false, /exists already/)
  await refused(at('link.onnx'), true, /symbolic link/)
  await refused(at('hard.onnx'), true, /hard links/)
  await refused(at('folder.onnx'), true, /is a folder/)
  await refused(join(at('other'), 'x.onnx'), true, /not a folder/)
  const source = residualNetwork(at('source'))
  await refused(source.path, true, /the checkpoint itself/, source)
  expect(readFileSync(at('other'), 'utf8')).toBe('mine')
  expect(readFileSync(at('file.onnx'), 'utf8')).toBe('mine')
  expect(hidden(folder)).toEqual([])
  await onnx.write({ ...base, path: at('file.onnx'), overwrite: true }, quiet)
  expect(readFileSync(at('file.onnx')).length).toBeGreaterThan(1000)
})

test('a full disk, and a write that fails, leave nothing behind', () => {
  const folder = temporaryFolder()
  expect(() => openStaging(folder, 2 ** 60)).toThrow(expect.objectContaining({ code: 'disk' }) as Error)
  const staging = openStaging(folder, 10)
  const full = Object.assign(new Error('write'), { code: 'ENOSPC' })
  const failing = () => {
    throw full
  }
  expect(() => staging.write('a.onnx', failing)).toThrow(
    expect.objectContaining({
      code: 'disk',
      message: expect.stringMatching(/a\.onnx: no space left .*10 bytes/) as string,
    }) as Error,
  )
  staging.remove()
  expect(readdirSync(folder)).toEqual([])
})

test('the leftovers of a killed export are removed by the next one, those of a living one are not', () => {
  const folder = temporaryFolder()
  const host = hostname()
    .replaceAll(/[^\w.]/g, '_')
    .slice(0, 64)
  const dead = `.lathe-${host}-4194399-00000000.partial` // above the largest process id
  const alive = `.lathe-${host}-${process.pid}-00000000.partial`
  for (const name of [dead, alive]) mkdirSync(join(folder, name))
  openStaging(folder, 10).remove()
  expect(readdirSync(folder)).toEqual([alive])
})

test('a file that does not behave like the variant is refused and removed', async () => {
  const folder = temporaryFolder()
  const { files } = await onnx.write({ ...base, path: join(folder, 'a.onnx') }, quiet)
  // Compared with the uncompressed original, the same file is wrong.
  const check = verifyExport(network, files[0]?.path ?? '', weightReader(network), dataset, () => undefined)
  await expect(check).rejects.toMatchObject({ code: 'verification' })

  // So it is where the variant runs part by part.
  const inParts = verifyExport(network, files[0]?.path ?? '', weightReader(network), dataset, () => undefined, 0)
  await expect(inParts).rejects.toMatchObject({ code: 'verification' })

  // A source whose kept head changes between writing and checking.
  const damaged = temporaryFolder()
  let reads = 0
  const read: typeof network.source.read = (name, range) => {
    const bytes = network.source.read(name, range)
    return name === 'head.weight' && reads++ > 0 ? bytes.map(() => 0) : bytes
  }
  const changing = { ...network, source: { tensors: network.source.tensors, read, close: () => undefined } }
  const kept = artifacts.filter(({ layer }) => layer !== 'head.weight')
  await expect(
    onnx.write({ ...base, network: changing, artifacts: kept, path: join(damaged, 'a.onnx') }, quiet),
  ).rejects.toMatchObject({ code: 'verification' })
  expect(readdirSync(damaged)).toEqual([])
})

test('the list of formats does not bring ONNX Runtime with it', () => {
  const registry = new URL('../../../src-main/engine/export/registry.ts', import.meta.url).href
  const script = `await import(${JSON.stringify(registry)}); console.log(process.report.getReport().sharedObjects.join())`
  const loaded = execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' })
  expect(loaded).toContain('lib')
  expect(loaded).not.toContain('onnxruntime')
})

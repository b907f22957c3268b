import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readArtifact, writeArtifact } from '../../../src-main/engine/quantize/artifact.ts'
import { applyPlain, rtnOption } from '../../../src-main/engine/quantize/options.ts'
import type { QuantizedMatrix } from '../../../src-main/engine/quantize/types.ts'
import { gridOf } from '../../helpers/matrix.ts'
import { gaussianMatrix } from '../kernels/random.ts'

const folder = mkdtempSync(join(tmpdir(), 'lathe-artifact-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const option = rtnOption(3, 32)
const meta = { layer: 'model.layers.0.mlp.up_proj.weight', option, methodVersion: 1 }
const sample = (parameters = {}, spread = 0.02): QuantizedMatrix =>
  gridOf(
    applyPlain(gaussianMatrix(9, 70, 3, spread), { ...option, parameters: { ...option.parameters, ...parameters } }),
  )

test.each([
  ['symmetric groups', {}, 0.02],
  ['affine groups', { symmetric: false }, 0.02],
  ['channels', { granularity: 'channel' }, 0.02],
  ['a tensor', { granularity: 'tensor', symmetric: false }, 0.02],
  ['float32 scales', {}, 1e7],
])('%s come back as they were', (_, parameters, spread) => {
  const q = sample(parameters, spread)
  const written = writeArtifact(folder, q, meta)
  expect(readArtifact(written.path)).toEqual(q)
  const contents = readFileSync(written.path)
  expect(basename(written.path)).toBe(`${createHash('sha256').update(contents).digest('hex')}.safetensors`)
  expect(written.bytes).toBe(contents.length)
})

test('the layout is the drawn one: 3 bits a weight, 16 a scale, nothing else', () => {
  const q = sample()
  const { path, bytes } = writeArtifact(folder, q, meta)
  const contents = readFileSync(path)
  const headerBytes = Number(contents.readBigUInt64LE())
  const header = JSON.parse(contents.subarray(8, 8 + headerBytes).toString())
  expect(header.scales).toEqual({ dtype: 'F16', shape: [9, 3], data_offsets: [0, 54] })
  expect(header.codes).toEqual({ dtype: 'U8', shape: [237], data_offsets: [54, 291] })
  expect(header).not.toHaveProperty('zeros')
  expect(bytes).toBe(8 + headerBytes + 54 + 237)
  expect(JSON.parse(header.__metadata__.lathe)).toMatchObject({ layer: meta.layer, option, rows: 9, cols: 70, bits: 3 })
})

test('the same layer is the same file, written once; a damaged one is written anew', () => {
  const own = join(folder, 'twice')
  const first = writeArtifact(own, sample(), meta)
  const file = statSync(first.path).ino
  expect(writeArtifact(own, sample(), meta)).toEqual(first)
  expect(statSync(first.path).ino).toBe(file) // a rewrite would be another file
  expect(readdirSync(own)).toEqual([basename(first.path)])
  writeFileSync(first.path, readFileSync(first.path).subarray(0, 100))
  writeArtifact(own, sample(), meta)
  expect(readArtifact(first.path)).toEqual(sample())
})

test('a flipped bit, a cut and a wrong name are refused', () => {
  const { path } = writeArtifact(join(folder, 'bad'), sample(), meta)
  const contents = readFileSync(path)
  const damaged = expect.objectContaining({ code: 'bad-input', data: { file: path } })
  const flipped = Buffer.from(contents)
  flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1
  for (const bad of [flipped, contents.subarray(0, -1), Buffer.alloc(0)]) {
    writeFileSync(path, bad)
    expect(() => readArtifact(path)).toThrow(damaged)
  }
  expect(() => readArtifact(join(folder, 'none.safetensors'))).toThrow(expect.objectContaining({ code: 'not-found' }))
})

test('well-named files that are no artifact are refused by what is wrong with them', () => {
  const { path } = writeArtifact(folder, sample({ symmetric: false }), meta)
  const contents = readFileSync(path).toString('latin1')
  const variants: [RegExp, string, RegExp][] = [
    [/\\"bits\\":3,\\"symmetric/, '\\"bits\\":4,\\"symmetric', /tensor codes is not/],
    [/\\"rows\\":9/, '\\"rows\\":8', /tensor scales is not/],
    [/\\"groups\\":3/, '\\"groups\\":4', /4 groups of 32/],
    [/\\"artifact\\":1/, '\\"artifact\\":7', /description is wrong/],
  ]
  for (const [from, to, why] of variants) {
    const changed = Buffer.from(contents.replace(from, to), 'latin1')
    const name = join(folder, `${createHash('sha256').update(changed).digest('hex')}.safetensors`)
    writeFileSync(name, changed)
    expect(() => readArtifact(name)).toThrow(why)
  }
})

test('a folder that cannot be written is a disk fault and leaves nothing', () => {
  const file = join(folder, 'a-file')
  writeFileSync(file, '')
  expect(() => writeArtifact(join(file, 'below'), sample(), meta)).toThrow(
    expect.objectContaining({ code: 'disk', message: expect.stringMatching(/^Cannot write .* bytes\): /) }),
  )
  const occupied = join(folder, 'occupied')
  const { path } = writeArtifact(occupied, sample(), meta)
  rmSync(path)
  mkdirSync(join(path, 'x'), { recursive: true }) // a folder stands where the file should go
  expect(() => writeArtifact(occupied, sample(), meta)).toThrow(expect.objectContaining({ code: 'disk' }))
  expect(readdirSync(occupied)).toEqual([basename(path)])
})

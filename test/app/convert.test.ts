import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, expect, test } from 'vitest'
import { createApp } from '../../src-main/app/create.ts'
import { sampleOf } from '../../src-main/app/samples.ts'
import { done } from './fixtures/jobs.ts'

// Plain conversions of the samples: no project that a person sees.
const home = mkdtempSync(join(tmpdir(), 'lathe-convert-'))
const app = createApp({ home, door: 'cli' })
const client = app.client()
afterAll(async () => {
  await app.close()
  rmSync(home, { recursive: true, force: true })
})
const { checkpoint, data } = sampleOf('vision')
const at = (name: string): string => join(home, name)
const convert = (more: object) =>
  client.call('convert.start', {
    checkpoint,
    format: 'onnx',
    parameters: { type: 'int4' },
    path: at('out.onnx'),
    ...more,
  })

test('a conversion is a job with a result, and leaves no project behind', async () => {
  const started = await convert({})
  expect(await done(client, started)).toBe(started.job)
  const made = await client.call('convert.get', started)
  expect(made.files.map(({ path }) => path)).toEqual([at('out.onnx')])
  expect(await client.call('project.recent', {})).toEqual([])
  await expect(convert({})).rejects.toMatchObject({ code: 'conflict', data: { file: at('out.onnx') } })
  expect(await done(client, await convert({ overwrite: true }))).toBeTruthy()
}, 60_000)

test('what cannot be converted is told before anything is queued', async () => {
  const before = (await client.call('job.list', {})).length
  await expect(convert({ format: 'gguf', path: at('x.gguf'), parameters: {} })).rejects.toMatchObject({
    code: 'unsupported',
    data: { field: 'format', found: 'gguf' },
  })
  await expect(convert({ format: 'safetensors', path: at('x.safetensors') })).rejects.toMatchObject({
    code: 'unsupported',
  })
  await expect(convert({ parameters: { type: 'int99' }, path: at('x.onnx') })).rejects.toMatchObject({
    code: 'bad-arguments',
    data: { field: 'type' },
  })
  await expect(convert({ path: at('x.gguf') })).rejects.toMatchObject({
    code: 'bad-arguments',
    data: { field: 'path' },
  })
  await expect(convert({ path: at('x.onnx'), importance: at('i'), data: { path: data } })).rejects.toThrow('not both')
  await expect(convert({ path: at('x.onnx'), data: { path: at('nothing') } })).rejects.toMatchObject({
    code: 'bad-data',
  })
  expect((await client.call('job.list', {})).length).toBe(before)
}, 60_000)

test('importance is measured once for a checkpoint and its data, and again when its file was lost', async () => {
  const scratch = (): string => join(home, 'scratch', readdirSync(join(home, 'scratch'))[0] ?? '')
  const steps = (): { key: string; file: string; sha256: string }[] => {
    const db = new Database(join(scratch(), 'lathe.sqlite'), { readonly: true })
    try {
      return db.prepare(`SELECT key, file, sha256 FROM steps WHERE task = 'importance'`).all() as never
    } finally {
      db.close()
    }
  }
  const weighed = async (name: string): Promise<void> => {
    await done(client, await convert({ path: at(name), data: { path: data } }))
  }
  await weighed('w1.onnx')
  const first = steps()
  expect(first).toHaveLength(1)
  const file = join(scratch(), 'artifacts', first[0]?.file ?? '')
  const bytes = readFileSync(file)
  const { mtimeNs } = statSync(file, { bigint: true })
  await weighed('w2.onnx')
  expect(statSync(file, { bigint: true }).mtimeNs).toBe(mtimeNs)
  writeFileSync(file, bytes.subarray(0, 100))
  await weighed('w3.onnx')
  expect(readFileSync(file).equals(bytes)).toBe(true)
  expect(steps()).toEqual(first)
}, 120_000)

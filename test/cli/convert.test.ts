// `lathe convert` and `lathe imatrix` as a person and a script use them: real processes on the samples.
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test, vi } from 'vitest'
import { parseParameters } from '../../src-main/cli/parameters.ts'
import { documented, type Json, lathe, latheJson, sample, start, visionModel } from './lathe.ts'

const base = mkdtempSync(join(tmpdir(), 'lathe-cli-convert-'))
afterAll(() => rmSync(base, { recursive: true, force: true }))
const home = join(base, 'home')
const at = (...parts: string[]) => join(base, ...parts)
const data = ['--data', sample('vision')]
const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')
const list = (value: Json | undefined) => value as unknown as Json[]

test('convert writes a file, says what is in it, and judges the same as an export of that width', async () => {
  const document = await latheJson(
    home,
    0,
    'convert',
    visionModel,
    '--to',
    'onnx',
    '--type',
    'int8',
    '--out',
    at('v8.onnx'),
  )
  const { keys, inside } = documented('convert')
  expect(Object.keys(document).sort()).toEqual([...keys].sort())
  for (const name of ['layers', 'files'])
    for (const row of list(document[name]))
      expect(Object.keys(row).sort()).toEqual([...(inside.get(name) ?? [])].sort())
  const [file] = list(document.files)
  expect(file).toMatchObject({
    path: at('v8.onnx'),
    bytes: statSync(at('v8.onnx')).size,
    sha256: sha256(at('v8.onnx')),
  })
  expect(document.sourceBytes).toBe(statSync(visionModel).size)
  const judged = await latheJson(home, 0, 'evaluate', at('v8.onnx'), ...data, '--against', visionModel)
  expect(Number(judged.metrics?.klDivergence)).toBeLessThan(0.001)
  expect(Number(judged.metrics?.klDivergence)).toBeGreaterThan(0)
})

test('what stands in the way is told in words, with the exit code of its kind', async () => {
  const to = (...more: string[]) => ['convert', visionModel, '--to', ...more]
  expect((await latheJson(home, 1, ...to('onnx', '--out', at('v8.onnx')))).fault).toMatchObject({ code: 'conflict' })
  expect((await latheJson(home, 2, ...to('jpeg', '--out', at('x')))).fault?.hint).toContain('gguf')
  expect((await latheJson(home, 1, ...to('gguf', '--out', at('x.gguf')))).fault).toMatchObject({ code: 'unsupported' })
  expect((await latheJson(home, 2, ...to('onnx', '--type', 'int9', '--out', at('x.onnx')))).fault).toMatchObject({
    code: 'bad-arguments',
    data: { field: 'type' },
  })
  const odd = await latheJson(home, 2, ...to('onnx', '--param', 'colour=red', '--out', at('x.onnx')))
  expect(odd.fault?.hint).toContain('Known: type')
  const both = await latheJson(home, 2, ...to('onnx', '--imatrix', at('i'), ...data, '--out', at('x.onnx')))
  expect(both.fault?.message).toContain('not both')
  expect(readdirSync(base).filter((name) => !name.startsWith('v8.'))).toEqual(['home'])
  const words = await lathe(home, ...to('onnx', '--type', 'int8', '--out', at('v8.onnx'), '--overwrite'))
  expect(words).toMatchObject({ code: 0 })
  expect(words.stdout).toContain('sha256 ')
  expect(words.stderr).toContain('→ about')
})

test('Ctrl+C ends a conversion and leaves nothing', async () => {
  const fresh = join(home, 'fresh')
  const args = ['convert', sample('language'), '--to', 'onnx', '--type', 'int4', '--data', sample('language'), '--json']
  const { child, answer } = start([...args, '--out', at('l.onnx')], fresh)
  // Its scratch project means that the job is being queued.
  const scratch = join(fresh, 'scratch')
  await vi.waitFor(() => expect(existsSync(scratch) && readdirSync(scratch)).toHaveLength(1), {
    timeout: 30_000,
    interval: 20,
  })
  child.kill('SIGINT')
  const cancelled = await answer
  expect(cancelled.code).toBe(130)
  expect(JSON.parse(cancelled.stdout)).toMatchObject({ fault: { code: 'cancelled' } })
  expect(readdirSync(base).filter((name) => name.startsWith('l.') || name.startsWith('.lathe'))).toEqual([])
})

test('imatrix writes llama.cpp’s file, once', async () => {
  const args = ['imatrix', sample('language'), '--data', sample('language'), '--out', at('i.gguf')]
  const document = await latheJson(home, 0, ...args)
  expect(Object.keys(document).sort()).toEqual([...documented('imatrix').keys].sort())
  expect(document).toEqual({ path: at('i.gguf'), bytes: statSync(at('i.gguf')).size, sha256: sha256(at('i.gguf')) })
  expect(readFileSync(at('i.gguf')).toString('latin1', 0, 4)).toBe('GGUF')
  expect((await latheJson(home, 1, ...args)).fault).toMatchObject({ code: 'conflict' })
  expect(await latheJson(home, 0, ...args, '--overwrite')).toEqual(document)
  const precious = at('precious.gguf')
  writeFileSync(precious, 'GGUF, but a model')
  const onto = (path: string) => [
    'imatrix',
    sample('language'),
    '--data',
    sample('language'),
    '--out',
    path,
    '--overwrite',
  ]
  expect((await latheJson(home, 1, ...onto(precious))).fault?.message).toContain('no imatrix file')
  expect(readFileSync(precious, 'utf8')).toBe('GGUF, but a model')
  expect((await latheJson(home, 1, ...onto(at('nowhere', 'i.gguf')))).fault).toMatchObject({ code: 'not-found' })
})

test('parameters take the types of the method’s schema', () => {
  const schema = {
    properties: { type: { type: 'string' }, pure: { type: 'boolean' }, splitBytes: { type: 'integer' } },
  }
  expect(parseParameters(schema, ['type=Q4_K', 'pure=true', 'splitBytes=1000'], 'gguf')).toEqual({
    type: 'Q4_K',
    pure: true,
    splitBytes: 1000,
  })
  expect(parseParameters(schema, ['type=a=b', 'pure=perhaps'], 'gguf')).toEqual({ type: 'a=b', pure: 'perhaps' })
  for (const wrong of ['type', '=1', '__proto__=1', 'Type=x'])
    expect(() => parseParameters(schema, [wrong], 'gguf')).toThrow('no parameter')
})

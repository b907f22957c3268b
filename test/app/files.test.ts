import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createApp } from '../../src-main/app/create.ts'
import { maximumEntries } from '../../src-main/app/files.ts'
import { folderName } from '../../src-main/app/folders.ts'

const app = createApp({ home: mkdtempSync(join(tmpdir(), 'lathe-files-')), door: 'web' })
const client = app.client()
afterAll(() => app.close())
const list = (folder: string | null) => client.call('files.list', { folder })
const fresh = (): string => mkdtempSync(join(tmpdir(), 'lathe-list-'))

test('folders first, in natural order, with what can be opened marked', async () => {
  const folder = fresh()
  mkdirSync(join(folder, 'model'))
  writeFileSync(join(folder, 'model', 'config.json'), '{}')
  mkdirSync(join(folder, 'empty'))
  for (const name of ['b10.onnx', 'b9.onnx', 'notes.md', '.hidden', 'data.yaml']) writeFileSync(join(folder, name), 'x')
  const { entries, parent, truncated } = await list(folder)
  expect(parent).toBe(tmpdir())
  expect(truncated).toBe(false)
  expect(entries.map(({ name, kind, openable }) => [name, kind, openable])).toEqual([
    ['empty', 'folder', false],
    ['model', 'folder', true],
    ['b9.onnx', 'file', true],
    ['b10.onnx', 'file', true],
    ['data.yaml', 'file', true],
    ['notes.md', 'file', false],
  ])
})

test('what is marked is what is to be chosen', async () => {
  const folder = fresh()
  for (const name of ['net', 'images', 'project']) mkdirSync(join(folder, name))
  const inside = ['net/config.json', 'images/data.yaml', 'project/lathe.sqlite']
  for (const name of [...inside, 'net.onnx', 'images.npy', 'rows.gguf']) writeFileSync(join(folder, name), 'x')
  const marked = async (purpose: 'checkpoint' | 'data' | 'project' | 'export') => {
    const { entries } = await client.call('files.list', { folder, purpose })
    return entries.filter(({ openable }) => openable).map(({ name }) => name)
  }
  expect(await marked('checkpoint')).toEqual(['net', 'net.onnx', 'rows.gguf'])
  expect(await marked('data')).toEqual(['images', 'images.npy', 'rows.gguf']) // an imatrix may be a GGUF file
  expect(await marked('project')).toEqual(['project'])
  expect(await marked('export')).toEqual([])
})

test('links are followed once; loops, broken links and pipes are left out', async () => {
  const folder = fresh()
  mkdirSync(join(folder, 'real'))
  symlinkSync(join(folder, 'real'), join(folder, 'link'))
  symlinkSync(join(folder, 'loop'), join(folder, 'loop'))
  symlinkSync(join(folder, 'nowhere'), join(folder, 'broken'))
  symlinkSync(folder, join(folder, 'self'))
  execFileSync('mkfifo', [join(folder, 'pipe.onnx')])
  expect((await list(folder)).entries.map(({ name }) => name)).toEqual(['link', 'real', 'self'])
})

test('a folder of many files is cut short, and says so', async () => {
  const folder = fresh()
  for (let index = 0; index < maximumEntries + 5; index += 1) writeFileSync(join(folder, `f${index}`), '')
  const { entries, truncated } = await list(folder)
  expect([entries.length, truncated]).toEqual([maximumEntries, true])
})

test('null is the user’s home; a door without dialogs says so', async () => {
  expect((await list(null)).folder).toBeTruthy()
  expect(await client.call('files.pick', { purpose: 'data' })).toEqual({ supported: false, path: null })
  expect(await client.call('files.reveal', { path: '/' })).toEqual({ supported: false })
})

test('folder names from whatever a checkpoint is called', () => {
  expect(folderName('Llama 3/8B: "best"')).toBe('Llama-3-8B-best')
  expect(folderName('../../etc')).toBe('etc')
  expect(folderName('  ')).toBe('project')
  expect(folderName('名前 モデル')).toBe('名前-モデル')
  expect(folderName('x'.repeat(300))).toHaveLength(60)
})

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeFolders, removeFolders } from '../../../src-main/engine/export/folders.ts'

let base = ''
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'lathe-folders-'))
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

test('makes what is missing and tells what it made; removing undoes just that', () => {
  const made = makeFolders(join(base, 'a', 'b', 'c'))
  expect(made).toEqual([join(base, 'a'), join(base, 'a', 'b'), join(base, 'a', 'b', 'c')])
  expect(makeFolders(join(base, 'a', 'b'))).toEqual([])
  removeFolders(made)
  expect(existsSync(join(base, 'a'))).toBe(false)
  expect(existsSync(base)).toBe(true)
})

test('leaves a folder in which something lies by now', () => {
  const made = makeFolders(join(base, 'a', 'b'))
  writeFileSync(join(base, 'a', 'kept'), '')
  removeFolders(made)
  expect(existsSync(join(base, 'a', 'kept'))).toBe(true)
  expect(existsSync(join(base, 'a', 'b'))).toBe(false)
})

test.runIf(process.platform === 'linux')('answers where nothing can be made, and below a file', () => {
  expect(() => makeFolders('/proc/lathe/export')).toThrow(/ENOENT|EACCES|EPERM|EROFS/)
  writeFileSync(join(base, 'file'), '')
  expect(() => makeFolders(join(base, 'file', 'below'))).toThrow('ENOTDIR')
})

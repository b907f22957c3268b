import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cacheLinkTargets, judgeRelativePath, resolveInside } from '../../../src-main/engine/checkpoint/containment.ts'
import { faultOf, temporaryFolder } from './temporary.ts'

const hostile = [
  '',
  '/etc/passwd',
  '//host/share/file',
  '\\\\host\\share\\file',
  'sub\\file',
  'C:x',
  'C:/x',
  'a:stream',
  '../x',
  'sub/../../x',
  'a/..',
  './x',
  'a//b',
  'a/',
  'w.bin\0x',
  'a\nb',
  'CON',
  'nul.bin',
  'sub/LPT1',
  'com\u00b9.txt',
  'COM1 .bin',
  'aux',
  'file.',
  'file ',
  'dir./x',
  'x'.repeat(2000),
]

test.each(hostile)('refuses %j by its text alone', (relative) => {
  expect(judgeRelativePath(relative)).not.toBeNull()
  // A folder that does not exist shows that nothing was looked up.
  const fault = faultOf(() => resolveInside('/no/such/folder', relative, { file: 'm.onnx', field: 'location' }))
  expect(fault.code).toBe('forbidden')
  expect(fault.message).toContain('m.onnx: location')
})

test('accepts ordinary names', () => {
  for (const name of [
    'w.bin',
    'sub/weights.data',
    '.hidden',
    'a b',
    'ünï.bin',
    '..x',
    'console.bin',
    'com10',
    '-x',
    'a#%?.bin',
  ]) {
    expect(judgeRelativePath(name), name).toBeNull()
  }
})

test('resolves regular files and nothing else', () => {
  const folder = temporaryFolder()
  const outside = join(temporaryFolder(), 'secret')
  writeFileSync(outside, 'secret')
  writeFileSync(join(folder, 'w.bin'), 'x')
  mkdirSync(join(folder, 'sub'))
  writeFileSync(join(folder, 'sub', 'v.bin'), 'x')
  symlinkSync(outside, join(folder, 'link'))
  symlinkSync(join(outside, '..'), join(folder, 'door'))
  symlinkSync('w.bin', join(folder, 'inner'))
  symlinkSync('loop', join(folder, 'loop'))
  linkSync(outside, join(folder, 'hard'))
  execFileSync('mkfifo', [join(folder, 'pipe')])

  expect(resolveInside(folder, 'w.bin')).toBe(join(folder, 'w.bin'))
  expect(resolveInside(folder, 'sub/v.bin')).toBe(join(folder, 'sub', 'v.bin'))
  expect(resolveInside(folder, 'inner')).toBe(join(folder, 'w.bin'))
  for (const name of ['link', 'door/secret', 'hard', 'pipe', 'sub', 'loop']) {
    expect(faultOf(() => resolveInside(folder, name)).code, name).toBe('forbidden')
  }
  for (const name of ['missing', 'w.bin/x']) {
    expect(faultOf(() => resolveInside(folder, name)).code, name).toBe('not-found')
  }
})

test('a Hugging Face cache may link into its blob store, and nowhere else', () => {
  const repository = temporaryFolder()
  const snapshot = join(repository, 'snapshots', 'abc')
  mkdirSync(snapshot, { recursive: true })
  mkdirSync(join(repository, 'blobs'))
  writeFileSync(join(repository, 'blobs', '1234'), 'x')
  writeFileSync(join(repository, 'other'), 'x')
  symlinkSync('../../blobs/1234', join(snapshot, 'model.safetensors'))
  symlinkSync('../../other', join(snapshot, 'bad'))
  const linkTargets = cacheLinkTargets(snapshot)
  expect(resolveInside(snapshot, 'model.safetensors', { linkTargets })).toBe(join(repository, 'blobs', '1234'))
  expect(faultOf(() => resolveInside(snapshot, 'bad', { linkTargets })).code).toBe('forbidden')
  expect(faultOf(() => resolveInside(snapshot, 'model.safetensors')).code).toBe('forbidden')
  expect(cacheLinkTargets(repository)).toEqual([])
})

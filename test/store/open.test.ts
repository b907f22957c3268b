import { plainMethods } from '../../src-preload/contract/plan.ts'
import { createHash } from 'node:crypto'
import { cpSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fault } from '../../src-preload/contract/fault.ts'
import { listOptions, saveOption } from '../../src-main/store/options.ts'
import { createStore, databaseName, openStore } from '../../src-main/store/open.ts'
import { readProject } from '../../src-main/store/projects.ts'
import { makeProject, summary, temporaryFolder } from './fixtures/project.ts'

const fileOf = (folder: string): string => join(folder, databaseName)
const shaOf = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex')
const faultOf = (action: () => unknown): Fault => {
  try {
    action()
  } catch (error) {
    expect(error).toBeInstanceOf(Fault)
    return error as Fault
  }
  throw new Error('nothing was refused')
}
/** A folder whose lathe.sqlite holds these bytes. */
const holding = (bytes: Uint8Array | string): string => {
  const folder = temporaryFolder()
  writeFileSync(fileOf(folder), bytes)
  return folder
}

test('a project is opened, closed, moved and opened again', () => {
  const folder = makeProject()
  const store = openStore(folder)
  expect(readProject(store.read)).toEqual({
    name: 'tiny',
    device: 'cpu',
    checkpoint: summary.fingerprint,
    dataSet: null,
    format: null,
    methods: plainMethods,
  })
  expect(store.write.pragma('journal_mode', { simple: true })).toBe('wal')
  expect(store.write.pragma('synchronous', { simple: true })).toBe(2)
  expect(store.write.pragma('foreign_keys', { simple: true })).toBe(1)
  store.close()
  expect(readdirSync(folder).sort()).toEqual(['artifacts', databaseName])
  renameSync(folder, `${folder} moved`)
  const moved = openStore(`${folder} moved`)
  expect(readProject(moved.read).name).toBe('tiny')
  moved.close()
})

test('the reader cannot write and sees what the writer committed', () => {
  const store = openStore(makeProject())
  expect(() => store.read.prepare('DELETE FROM projects').run()).toThrow(/readonly/)
  const row = { layer: 'conv', option: 'rtn-4', samples: 8, loss: 0.5, error: 0.1, standardError: null, source: 'test' }
  saveOption(store.write, { ...row, checkpoint: summary.fingerprint, data: '' })
  expect(listOptions(store.read, { checkpoint: summary.fingerprint, data: '' })).toEqual([row])
  store.close()
})

test('every table is STRICT and refuses what does not fit', () => {
  const store = openStore(makeProject())
  const tables = store.read.prepare<[], { name: string; strict: number }>('PRAGMA table_list').all()
  const ours = tables.filter(({ name }) => !name.startsWith('sqlite_'))
  expect(ours.length).toBeGreaterThanOrEqual(12)
  expect(ours.filter(({ strict }) => strict !== 1)).toEqual([])
  expect(() => store.write.exec(`UPDATE projects SET data_set = 99`)).toThrow(/FOREIGN KEY/)
  expect(() => store.write.exec(`UPDATE checkpoints SET summary = 'not json'`)).toThrow(/CHECK/)
  store.close()
})

test.each<[string, () => string, Fault['code'], RegExp]>([
  ['no such folder', () => join(temporaryFolder(), 'none'), 'not-found', /not a Lathe project/],
  ['random bytes', () => holding(new Uint8Array(5_000).map((_, i) => (i * 97) % 251)), 'bad-input', /not a Lathe/],
  ['a text file', () => holding('hello, this is a note'), 'bad-input', /not a Lathe/],
  ['a folder in its place', () => folderInPlace(), 'bad-input', /not a Lathe/],
  ['another program’s database', () => foreignDatabase(), 'bad-input', /not a Lathe/],
  ['a header alone', () => holding(readFileSync(fileOf(makeProject())).subarray(0, 100)), 'bad-input', /damaged|not a/],
  [
    'a truncated database',
    () => holding(readFileSync(fileOf(makeProject())).subarray(0, 9_000)),
    'bad-input',
    /damaged/,
  ],
])('refused: %s', (_, make, code, message) => {
  const fault = faultOf(() => openStore(make()))
  expect(fault.code).toBe(code)
  expect(fault.message).toMatch(message)
  expect(fault.hint).toBeTruthy()
})

const folderInPlace = (): string => {
  const folder = temporaryFolder()
  mkdirSync(fileOf(folder))
  return folder
}
const foreignDatabase = (): string => {
  const folder = temporaryFolder()
  const db = new Database(fileOf(folder))
  db.exec('CREATE TABLE bookmarks (url TEXT); PRAGMA user_version = 10')
  db.close()
  return folder
}

test('a newer project is refused and keeps its every byte, also when its version lies in the log', () => {
  const folder = makeProject()
  const db = new Database(fileOf(folder))
  db.pragma('user_version = 9990')
  db.pragma('wal_checkpoint(TRUNCATE)')
  db.close()
  const before = shaOf(fileOf(folder))
  const fault = faultOf(() => openStore(folder))
  expect(fault).toMatchObject({ code: 'unsupported', data: { field: 'user_version', found: '9990' } })
  expect(shaOf(fileOf(folder))).toBe(before)
  expect(readdirSync(folder).sort()).toEqual(['artifacts', databaseName])

  const hot = makeProject()
  const writer = new Database(fileOf(hot))
  writer.pragma('wal_autocheckpoint = 0')
  writer.pragma('user_version = 9990')
  const copy = temporaryFolder() // what a crash leaves: an old header, a log with the new version
  cpSync(hot, copy, { recursive: true })
  writer.close()
  const sha = shaOf(fileOf(copy))
  expect(faultOf(() => openStore(copy)).code).toBe('unsupported')
  expect(shaOf(fileOf(copy))).toBe(sha)
})

test.each([
  ['a view', 'CREATE VIEW bad AS WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x FROM t) SELECT x FROM t'],
  ['a trigger', 'CREATE TRIGGER bad AFTER UPDATE ON projects BEGIN DELETE FROM variants; END'],
  ['a further table', 'CREATE TABLE extra (a)'],
  ['a changed table', 'ALTER TABLE projects ADD COLUMN surprise TEXT'],
  ['a missing table', 'DROP TABLE holders'],
])('a doctored schema is refused: %s', (_, sql) => {
  const folder = makeProject()
  const db = new Database(fileOf(folder))
  db.exec(sql)
  db.close()
  expect(faultOf(() => openStore(folder))).toMatchObject({ code: 'bad-input', data: { field: 'sqlite_schema' } })
})

test('a link in place of the database is refused', () => {
  const folder = makeProject()
  const [soft, hard] = [temporaryFolder(), temporaryFolder()]
  symlinkSync(fileOf(folder), fileOf(soft))
  linkSync(fileOf(folder), fileOf(hard))
  for (const link of [soft, hard]) expect(faultOf(() => openStore(link)).message).toMatch(/is a link/)
})

test('flipped bits give a Fault or a project that opens, never another error', () => {
  const whole = readFileSync(fileOf(makeProject()))
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
      const bytes = Uint8Array.from(whole)
      bytes[at] = (bytes[at] ?? 0) ^ mask
      const folder = holding(bytes)
      try {
        const store = openStore(folder)
        try {
          readProject(store.read)
        } finally {
          store.close()
        }
      } catch (error) {
        if (!(error instanceof Fault)) throw error
      }
    }),
    { seed: 20260921, numRuns: 60 },
  )
})

test('making a project where one is, is a conflict', () => {
  const folder = makeProject()
  expect(faultOf(() => createStore(folder)).code).toBe('conflict')
})

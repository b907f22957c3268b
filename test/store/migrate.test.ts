import type { ScoreResult } from '../../src-preload/contract/methods.ts'
import { plainMethods } from '../../src-preload/contract/plan.ts'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { connectMemory } from '../../src-main/store/database.ts'
import { latestVersion, migrate, versionOf } from '../../src-main/store/migrate.ts'
import type { Migration } from '../../src-main/store/migrations/migration.ts'
import { migrations } from '../../src-main/store/migrations/registry.ts'
import { databaseName, openStore } from '../../src-main/store/open.ts'
import { listJobs } from '../../src-main/store/jobs.ts'
import { readRecipe } from '../../src-main/store/recipes.ts'
import { readProject, setMethods } from '../../src-main/store/projects.ts'
import { latestScores, listScores, saveScore } from '../../src-main/store/scores.ts'
import { listVariants } from '../../src-main/store/variants.ts'
import { makeProject } from './fixtures/project.ts'

/** What was shipped stays as it was: a new migration adds a line here, an edited one fails. */
const frozen: Record<number, string> = {
  10: '0f9c3837d2a93c7adbad3c4a3545fe82152001580493af2cc7e8be5c76a9098a',
  20: '1a46b0497277626f02424cd4a1bdd0b975c5e46119052e80abf6e3f3d01f83f2',
  30: 'aee6348e3cde07873852a9c4aa335d2e794c26d87fdc3606cb705ec9d969c92c',
  40: '2a0a155b2e8a49115df009387ec5acb9a75fcc194227a461e11fe57da17ee737',
}

test('migrations are numbered by tens, in order, and those shipped are unchanged', () => {
  const versions = migrations.map(({ version }) => version)
  expect(versions).toEqual(versions.map((_, index) => (index + 1) * 10))
  const hashes = migrations.map(({ version, sql }) => [version, createHash('sha256').update(sql).digest('hex')])
  expect(Object.fromEntries(hashes)).toEqual(frozen)
})

test('rows written as raw SQL into schema 10 are read by today’s code', () => {
  const db = connectMemory()
  migrate(db, migrations.slice(0, 1))
  db.exec(`
    INSERT INTO checkpoints VALUES ('abc', '/m.onnx', '../m.onnx', '{}', '2026-01-01T00:00:00.000Z');
    INSERT INTO recipes VALUES ('r1', 'abc',
      '{"lathe":1,"checkpoint":{"name":"m","fingerprint":"abc"},"seed":0,"layers":[{"name":"w","option":{"id":"rtn-4-g64","method":"rtn","bits":4,"parameters":{"groupSize":64}}}]}',
      '2026-01-01T00:00:00.000Z');
    INSERT INTO jobs VALUES ('job-1', 'run', 'Compress', '{"recipe":null}', 'running', 2, 5, 0.4, 1500.5, '["a notice"]',
      NULL, NULL, '2026-01-01T00:00:00.000Z');
    INSERT INTO jobs VALUES ('job-2', 'export', 'Export', '{}', 'done', 1, 1, 1, 10, '[]', NULL, 'e', '2026-01-01T00:00:00.000Z');
    INSERT INTO runs VALUES ('run-r1', 'r1', 'job-1', 'started', '2026-01-01T00:00:00.000Z');
    INSERT INTO variants VALUES ('v1', 'run-r1', 'r1', '4 bits', 1000, 4.0, 0.25, 1, 0, '2026-01-01T00:00:00.000Z');
  `)
  migrate(db)
  expect(readRecipe(db, { id: 'r1' })?.layers[0]?.option).toEqual({
    id: 'rtn-4-g64',
    method: 'rtn',
    bits: 4,
    parameters: { groupSize: 64 },
  })
  expect(listJobs(db, { ended: 0 })).toEqual([
    {
      id: 'job-1',
      kind: 'run',
      title: 'Compress',
      args: { recipe: null },
      state: 'running',
      unitsDone: 2,
      unitsTotal: 5,
      progress: 0.4,
      elapsedMs: 1500.5,
      notices: ['a notice'],
      fault: null,
      result: null,
    },
  ])
  expect(listJobs(db, { ended: 1 }).map(({ id, state }) => [id, state])).toEqual([
    ['job-1', 'running'],
    ['job-2', 'done'],
  ])
  expect(listVariants(db)).toEqual([
    {
      id: 'v1',
      name: '4 bits',
      recipeId: 'r1',
      format: 'onnx',
      bytes: 1000,
      averageBits: 4,
      predictedLoss: 0.25,
      uniform: true,
      pinned: false,
      createdAt: '2026-01-01T00:00:00.000Z',
    },
  ])
  db.close()
})

test('schema 20: what a variant was planned for is known, old ones of tensors alone included', () => {
  const db = connectMemory()
  migrate(db, migrations.slice(0, 1))
  db.exec(`
    INSERT INTO checkpoints VALUES ('abc', '/m.safetensors', '../m.safetensors', '{"task":"none"}', '2026-01-01T00:00:00.000Z');
    INSERT INTO projects VALUES (1, 'old', 'cpu', 'abc', NULL, '2026-01-01T00:00:00.000Z');
    INSERT INTO recipes VALUES ('r1', 'abc', '{}', '2026-01-01T00:00:00.000Z');
    INSERT INTO runs VALUES ('run-r1', 'r1', NULL, 'finished', '2026-01-01T00:00:00.000Z');
    INSERT INTO variants VALUES ('v1', 'run-r1', 'r1', '4 bits', 1000, 4.0, 0.25, 1, 0, '2026-01-01T00:00:00.000Z');
  `)
  migrate(db)
  expect(readProject(db)).toEqual({
    name: 'old',
    device: 'cpu',
    checkpoint: 'abc',
    dataSet: null,
    format: null,
    methods: plainMethods,
  })
  expect(listVariants(db).map(({ format }) => format)).toEqual(['safetensors'])
  db.exec(`
    UPDATE projects SET format = 'gguf';
    INSERT INTO recipes VALUES ('r2', 'abc', '{}', '2026-01-01T00:00:00.000Z');
    INSERT INTO variants (id, run, recipe, name, bytes, average_bits, uniform, pinned, created_at, format)
      VALUES ('v2', 'run-r1', 'r2', '4.5 bits', 900, 4.5, 0, 1, '2026-01-01T00:00:00.000Z', 'gguf');
  `)
  expect(readProject(db).format).toBe('gguf')
  expect(listVariants(db)[1]).toMatchObject({ format: 'gguf', pinned: true, predictedLoss: null })
  db.close()
})

test('schema 30: a project keeps its methods; one that never chose any has plain ones', () => {
  const db = connectMemory()
  migrate(db, migrations.slice(0, 2))
  db.exec(`
    INSERT INTO checkpoints VALUES ('abc', '/m.onnx', '../m.onnx', '{}', '2026-01-01T00:00:00.000Z');
    INSERT INTO projects (id, name, device, checkpoint, data_set, created_at)
      VALUES (1, 'old', 'cpu', 'abc', NULL, '2026-01-01T00:00:00.000Z');
  `)
  migrate(db)
  expect(readProject(db).methods).toEqual(plainMethods)
  const methods = { quantizer: { method: 'gptq', parameters: { damping: 0.02 } }, prepare: [], samples: 32 }
  setMethods(db, { methods })
  expect(readProject(db).methods).toEqual(methods)
  expect(() => db.exec(`UPDATE projects SET methods = '{'`)).toThrow(/CHECK/)
  db.close()
})

test('schema 40: scores with other parameters stand side by side, the latest is known, and none is lost on the way', () => {
  const db = connectMemory()
  migrate(db, migrations.slice(0, 3))
  const result = (parameters: string) =>
    `{"method":"luq","per":"layer","values":[{"key":"w","value":1}],${parameters}"samples":0,"seconds":1}`
  db.exec(`
    INSERT INTO checkpoints VALUES ('abc', '/m.onnx', '../m.onnx', '{}', '2026-01-01T00:00:00.000Z');
    INSERT INTO scores VALUES ('abc', '', 'luq', 1, '${result('"parameters":{"z":true,"clusters":64},')}', '2026-01-02T00:00:00.000Z');
    INSERT INTO scores VALUES ('abc', '', 'nmse', 1, '${result('').replace('luq', 'nmse')}', '2026-01-01T00:00:00.000Z');
  `)
  migrate(db)
  const on = { checkpoint: 'abc', data: '' }
  const score = (parameters: ScoreResult['parameters'], seconds: number): ScoreResult => ({
    ...{ method: 'luq', per: 'layer', values: [], samples: 0, seconds },
    ...(parameters && { parameters }),
  })
  const save = (each: ScoreResult) => saveScore(db, { checkpoint: 'abc', data: '', version: 1, result: each })
  save(score({ clusters: 16 }, 2))
  save(score({ clusters: 64, z: true }, 3)) // the same as what was migrated, keys in another order
  save(score(undefined, 4))
  save(score({ clusters: 16 }, 5)) // again: the latest
  expect(listScores(db, on).map(({ method, seconds }) => [method, seconds])).toEqual([
    ['luq', 3],
    ['luq', 4],
    ['luq', 5],
    ['nmse', 1],
  ])
  const [latest, other] = latestScores(db, on)
  expect(latest).toMatchObject({ parameters: { clusters: 16 }, others: [{}, { clusters: 64, z: true }] })
  expect(latest?.measuredAt).toMatch(/^\d{4}-/)
  expect(other).not.toHaveProperty('others')
  db.close()
})

const next: Migration = {
  version: latestVersion() + 10,
  title: 'a test',
  sql: `CREATE TABLE later (a TEXT NOT NULL) STRICT; UPDATE projects SET name = 'migrated'`,
}

test('an older project is copied, then migrated; the copy opens as the old version', () => {
  const folder = makeProject()
  const store = openStore(folder, [...migrations, next])
  expect(versionOf(store.read)).toBe(next.version)
  expect(store.read.prepare<[], { name: string }>('SELECT name FROM projects').get()).toEqual({ name: 'migrated' })
  store.close()
  const copy = join(folder, `lathe.backup-${latestVersion()}.sqlite`)
  const old = new Database(copy, { readonly: true })
  expect(old.pragma('user_version', { simple: true })).toBe(latestVersion())
  expect(old.prepare('SELECT name FROM projects').get()).toEqual({ name: 'tiny' })
  expect(old.pragma('integrity_check', { simple: true })).toBe('ok')
  old.close()
})

test('a migration that fails half way leaves the old project whole', () => {
  const folder = makeProject()
  const broken = { ...next, sql: `${next.sql}; INSERT INTO nowhere VALUES (1)` }
  expect(() => openStore(folder, [...migrations, broken])).toThrow(/no such table/)
  const store = openStore(folder)
  expect(versionOf(store.read)).toBe(latestVersion())
  expect(store.read.prepare('SELECT name FROM projects').get()).toEqual({ name: 'tiny' })
  store.close()
})

test('a fresh project needs no copy', () => {
  const folder = makeProject()
  expect(existsSync(join(folder, databaseName))).toBe(true)
  expect(readdirSync(folder).filter((name) => name.includes('backup'))).toEqual([])
})

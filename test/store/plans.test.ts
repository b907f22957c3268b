import { afterAll, expect, test } from 'vitest'
import { openProject } from './fixtures/project.ts'

// Queries that run at every slider move, unit or snapshot must not read whole tables.
const store = openProject()
afterAll(() => store.close())

const planOf = (sql: string): string =>
  store.read
    .prepare<[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)
    .all()
    .map(({ detail }) => detail)
    .join('; ')

test.each([
  ['options of a checkpoint', `SELECT loss FROM options WHERE checkpoint = 'a' AND data = 'b'`, 'PRIMARY KEY'],
  [
    'one probe',
    `SELECT value FROM probes WHERE checkpoint = 'a' AND data = '' AND kind = 'k' AND key = 'x'`,
    'PRIMARY KEY',
  ],
  ['scores', `SELECT result FROM scores WHERE checkpoint = 'a' AND data IN ('', 'b')`, 'PRIMARY KEY'],
  ['a step by key', `SELECT result FROM steps WHERE key = 'k'`, 'sqlite_autoindex_steps_1'],
  [
    'evaluations on data',
    `SELECT result FROM evaluations WHERE checkpoint = 'a' AND data = 'b'`,
    'evaluations_by_data',
  ],
  ['open jobs', `SELECT id FROM jobs WHERE state IN ('queued', 'running', 'interrupted')`, 'jobs_by_state'],
  [
    'jobs that ended last',
    `SELECT rowid FROM jobs WHERE state IN ('done', 'failed', 'cancelled') ORDER BY rowid DESC LIMIT 50`,
    'jobs_by_state',
  ],
  ['what a removed variant takes along', `SELECT id FROM evaluations WHERE variant = 'v'`, 'evaluations_by_variant'],
  ['its exports', `SELECT id FROM exports WHERE variant = 'v'`, 'exports_by_variant'],
  ['steps of a run', `SELECT key FROM steps WHERE run = 'r'`, 'steps_by_run'],
])('%s: found by index', (_, sql, index) => {
  const plan = planOf(sql)
  expect(plan).toContain('SEARCH')
  expect(plan).toContain(index)
  expect(plan).not.toContain('SCAN')
})

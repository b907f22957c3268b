// Every row of manifest.json: a hostile or odd input, and what must come of it: an exact fault, or what was accepted.
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fault, faultCodes } from '../../src-preload/contract/fault.ts'
import { canary } from './cases/foreign.ts'
import { CannotMake, undo } from './cases/make.ts'
import { closeDoors, doors, prepareDoors, type Row } from './doors.ts'
import { corpus, makeCase } from './make.ts'

const manifest = JSON.parse(readFileSync(join(import.meta.dirname, 'manifest.json'), 'utf8')) as Row[]
const base = mkdtempSync(join(tmpdir(), 'lathe-corpus-'))
beforeAll(prepareDoors)
afterAll(async () => {
  for (const back of undo) back()
  await closeDoors()
  rmSync(base, { recursive: true, force: true })
})

const peakBytes = () => process.resourceUsage().maxRSS * 1024
setFlagsFromString('--expose-gc')
/** What making a case left behind must not count against opening it. */
const collect = runInNewContext('gc') as () => void

test('manifest and generator name the same cases, at least sixty', () => {
  expect(manifest.map(({ id }) => id).sort()).toEqual([...corpus.keys()].sort())
  expect(new Set(manifest.map(({ id }) => id)).size).toBe(manifest.length)
  expect(manifest.length).toBeGreaterThanOrEqual(60)
  for (const row of manifest) if (row.expect === 'fault') expect(faultCodes).toContain(row.code)
})

/** What came of it; anything thrown that is not a Fault is a defect. */
async function outcome(attempt: () => Promise<Record<string, unknown>>): Promise<Record<string, unknown> | Fault> {
  try {
    return await attempt()
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
}

/** The case's path; skips the test where this machine cannot make it. */
function make(row: Row, skip: (reason: string) => never): string {
  try {
    return makeCase(row.id, base)
  } catch (error) {
    if (!(error instanceof CannotMake)) throw error
    process.stderr.write(`skipped: ${row.id}: ${error.message}\n`)
    return skip(error.message)
  }
}

/** What a row promises of an accepted input. */
const promised = ({ expect: kind, family, task, tensors, gives }: Row) =>
  kind === 'network' ? { family, task, layers: { length: tensors } } : (gives ?? {})

test.for(manifest)('$id', async (row, { skip }) => {
  const path = make(row, skip)
  const folder = join(base, row.id)
  const door = doors[row.door ?? 'open']
  collect()
  const before = peakBytes()
  const began = performance.now()
  const result = await outcome(() => door.attempt(path, row, folder))
  expect(performance.now() - began).toBeLessThan(door.longestMs)
  if (row.expect !== 'accept') expect(peakBytes() - before).toBeLessThan(door.growthBytes)
  if (row.expect === 'fault') {
    const fault = result instanceof Fault ? result : undefined
    const message = (row.message ?? '?').replaceAll('{folder}', folder)
    expect({ code: fault?.code, message: fault?.message ?? JSON.stringify(result) }).toEqual({
      code: row.code,
      message: expect.stringContaining(message),
    })
    const { file, tensor, field } = fault?.data ?? {}
    expect(file ?? (row.door === 'recipe' ? (tensor ?? field) : undefined), 'a fault says where').toBeTruthy()
  } else {
    expect(result instanceof Fault ? result.message : null).toBeNull()
    expect(result).toMatchObject(promised(row))
    if (row.notice)
      expect((result as { notices?: string[] }).notices).toContainEqual(expect.stringContaining(row.notice))
  }
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
})

test('no case wrote, moved or ran anything', () => {
  expect(existsSync(canary)).toBe(false)
  // Opening never changes a checkpoint: what the generator makes anew is what lies there.
  for (const id of ['HF01-good', 'OX04-external-good']) {
    const other = makeCase(id, join(base, 'again'))
    const folder = statSync(other).isDirectory() ? other : join(other, '..')
    const opened = folder.replace(join('again', id), id)
    expect(readdirSync(opened).sort()).toEqual(readdirSync(folder).sort())
    for (const name of readdirSync(folder)) {
      expect(readFileSync(join(opened, name)).equals(readFileSync(join(folder, name)))).toBe(true)
    }
  }
})

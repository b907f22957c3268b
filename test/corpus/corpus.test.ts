// Every row of manifest.json: a hostile or odd input, and the network or the exact fault that must come of it.
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openNetwork, summarise } from '../../src-main/engine/checkpoint/open.ts'
import { Fault, faultCodes, type FaultCode } from '../../src-preload/contract/fault.ts'
import { canary } from './cases/foreign.ts'
import { corpus, makeCase } from './make.ts'

interface Row {
  id: string
  opens: string // file below the case's folder, or 'folder'
  expect: 'fault' | 'network'
  code?: FaultCode
  message?: string // part of the fault's message
  family?: string
  task?: string
  tensors?: number
  notice?: string // part of one of the network's notices
}

const manifest = JSON.parse(readFileSync(join(import.meta.dirname, 'manifest.json'), 'utf8')) as Row[]
const base = mkdtempSync(join(tmpdir(), 'lathe-corpus-'))
afterAll(() => rmSync(base, { recursive: true, force: true }))

const longestMs = 2000
const largestGrowthBytes = 64 << 20
const peakBytes = () => process.resourceUsage().maxRSS * 1024

test('manifest and generator name the same cases, at least sixty', () => {
  expect(manifest.map(({ id }) => id).sort()).toEqual([...corpus.keys()].sort())
  expect(new Set(manifest.map(({ id }) => id)).size).toBe(manifest.length)
  expect(manifest.length).toBeGreaterThanOrEqual(60)
  for (const row of manifest) if (row.expect === 'fault') expect(faultCodes).toContain(row.code)
})

function outcome(path: string): { fault: Fault } | { network: ReturnType<typeof summarise> } {
  try {
    const network = openNetwork(path)
    network.source.close()
    return { network: summarise(network) }
  } catch (error) {
    if (error instanceof Fault) return { fault: error }
    throw error // anything else is a defect
  }
}

test.each(manifest)('$id', (row) => {
  const path = makeCase(row.id, base)
  const before = peakBytes()
  const began = performance.now()
  const result = outcome(path)
  expect(performance.now() - began).toBeLessThan(longestMs)
  expect(peakBytes() - before).toBeLessThan(largestGrowthBytes)
  if (row.expect === 'fault') {
    const fault = 'fault' in result ? result.fault : undefined
    expect({ code: fault?.code, message: fault?.message }).toEqual({
      code: row.code,
      message: expect.stringContaining(row.message ?? '?'),
    })
    expect(fault?.data?.file, 'a fault says which file').toBeTruthy()
  } else {
    const network = 'network' in result ? result.network : undefined
    expect('fault' in result ? result.fault.message : null).toBeNull()
    const { family, task, layers, notices } = network ?? { layers: [] }
    expect({ family, task, tensors: layers.length }).toEqual({
      family: row.family,
      task: row.task,
      tensors: row.tensors,
    })
    if (row.notice) expect(notices).toContainEqual(expect.stringContaining(row.notice))
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

// `lathe score` as a person and a script use it: several scores at once, and the X-ray of a layer.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { type Json, lathe, latheJson, sample, visionModel } from './lathe.ts'

const home = mkdtempSync(join(tmpdir(), 'lathe-cli-score-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))
const data = ['--data', sample('vision')]
const list = (value: Json | undefined) => value as unknown as Json[]

test('several scores from one job: a table of ranks, and a document with values and ranks', async () => {
  const args = ['score', visionModel, ...data, '--method', 'lim', '--method', 'zd']
  const document = await latheJson(home, 0, ...args)
  expect(Object.keys(document).sort()).toEqual(['ranks', 'scores'])
  expect(list(document.scores).map(({ method }) => method)).toEqual(['lim', 'zd'])
  const ranks = list(document.ranks)
  expect(ranks.length).toBeGreaterThan(10)
  const ofStem = ranks.find(({ layer }) => String(layer) === 'stem.weight')
  expect(ofStem).toBeUndefined() // block scores say nothing of what lies outside the blocks
  const all = ranks.map(({ ranks: own }) => Number(own?.zd)).sort((a, b) => a - b)
  expect(all.reduce((sum, rank) => sum + rank, 0)).toBeCloseTo((all.length * (all.length + 1)) / 2, 9)
  const told = await lathe(home, ...args, '--quiet')
  expect(told.stdout).toMatch(/^layer +lim +zd\n/)
  expect(told.stdout).toContain('1 matters most')
})

test('an X-ray of the layer whose name holds the words, with or without scores', async () => {
  const words = await lathe(home, 'score', visionModel, ...data, '--xray', 'stem', '--quiet')
  expect(words.code).toBe(0)
  expect(words.stdout).toContain('stem.weight: 16 outputs, 3 inputs')
  expect(words.stdout).toMatch(/all 16 singular values: .*effective rank/)
  expect(words.stdout).toContain('calibration samples')
  const document = await latheJson(home, 0, 'score', visionModel, '--method', 'zd', '--xray', 'stem')
  expect(Object.keys(document).sort()).toEqual(['ranks', 'scores', 'xray'])
  expect(document.xray?.layer).toBe('stem.weight')
})

test('what cannot be measured is told before anything is', async () => {
  expect((await latheJson(home, 2, 'score', visionModel)).fault?.message).toContain('--method')
  const unknown = await latheJson(home, 2, 'score', visionModel, '--method', 'zd', '--method', 'dice')
  expect(unknown.fault?.hint).toContain('lim')
  const parameter = await latheJson(home, 2, 'score', visionModel, '--method', 'zd:colour=red')
  expect(parameter.fault?.message).toContain('colour')
  expect((await latheJson(home, 1, 'score', visionModel, '--xray', 'nothing')).fault?.code).toBe('not-found')
})

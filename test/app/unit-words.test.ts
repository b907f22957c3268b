import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { memoryOf } from '../../src-main/app/footprint.ts'
import type { Subject } from '../../src-main/app/projects.ts'
import { sourceWords, unitWords } from '../../src-main/app/unit-words.ts'
import { leftOutWords } from '../../src-main/engine/score/define.ts'

test('every kind of unit has words: none is shown by its name', () => {
  const folder = join(import.meta.dirname, '../../src-main/app')
  const files = readdirSync(folder).filter((name) => /-units?\.ts$/.test(name))
  const kinds = files.flatMap((name) =>
    [...readFileSync(join(folder, name), 'utf8').matchAll(/^ {4,6}kind: '(.+)',$/gm)].map(([, kind = '']) => kind),
  )
  expect(kinds).toContain('compress')
  for (const kind of [...kinds, 'evaluate', 'evaluate-original', 'sensitivity', 'score', 'export'])
    expect(unitWords(kind), kind).not.toBe(kind)
})

test('where a time comes from is a sentence', () => {
  expect(
    sourceWords(
      [
        { kind: 'compress', units: 12 },
        { kind: 'depth', units: 2 },
      ],
      ['evaluate'],
      ['evaluate-original', 'running'],
    ),
  ).toBe(
    'timed in this project: compressing layers (12 times), measuring blocks (twice); foretold from a probe of this machine: evaluating; ' +
      'a first guess: evaluating the original, running the exported file',
  )
  expect(sourceWords([], [], [])).toBe('all of it is done')
})

test('memory is told part by part, each with what it is for', () => {
  const summary = { parameters: 1e6, layers: [], task: 'none' }
  const subject = { checkpoint: { summary }, dataSet: null } as unknown as Subject
  const words = (sessions: number): string =>
    memoryOf(subject, { sessions, activations: 1, kept: false }).reason.split(' + ')[0] ?? ''
  expect(words(2)).toMatch(/^8(\.0+)? MB for 2 copies of the weights in float32$/)
  expect(words(1)).toMatch(/^4(\.0+)? MB for the weights in float32$/)
})

test('what was left out is named once', () => {
  expect(leftOutWords('Super experts', 'Super experts: m is no mixture.')).toBe(
    'Super experts was left out: m is no mixture.',
  )
  expect(leftOutWords('ARank', 'no attention')).toBe('ARank was left out: no attention')
})

import { expect, test } from 'vitest'
import { createProgressLine, renderProgress } from '../../src-main/cli/progress.ts'
import type { Job } from '../../src-preload/contract/job.ts'

const job = (change: Partial<Job> = {}): Job => ({
  id: 'job-1',
  project: '/p',
  kind: 'run',
  title: 'Compress',
  state: 'running',
  unitsDone: 12,
  unitsTotal: 19,
  progress: 0.635,
  step: 'stem.weight',
  elapsedMs: 1234,
  remainingMs: 8000,
  notices: [],
  fault: null,
  result: null,
  ...change,
})

/** A stream that keeps what was written. */
function paper(isTTY: boolean, columns = 200) {
  const lines: string[] = []
  const stream = { isTTY, columns, write: (text: string) => lines.push(text) > 0 } as unknown as NodeJS.WriteStream
  return { stream, text: () => lines.join('') }
}

test('one line says what, how far, how long and where', () => {
  expect(renderProgress(job(), 200)).toBe('Compress ███████████████░░░░░░░░░ 63 % 12/19 · 8.0 s left · stem.weight')
  expect(renderProgress(job({ remainingMs: null }), 200)).toContain('· estimating ·')
})

test.each([0, 0.0001, 0.5, 0.999, 1])('at %d the bar keeps its width and only the end is 100 %', (progress) => {
  const line = renderProgress(job({ progress }), 200)
  expect(/[█░]+/.exec(line)?.[0]).toHaveLength(24)
  expect(line.includes('100 %')).toBe(progress === 1)
})

test.each([2, 20, 60, 70])('it fits %d columns', (columns) => {
  const line = renderProgress(job(), columns)
  expect(line.length).toBeLessThan(columns)
  expect(line.endsWith('…')).toBe(true)
})

test('on a pipe: each notice once, one line at the end, no control characters', () => {
  const { stream, text } = paper(false)
  const line = createProgressLine(stream, false)
  line.show(job({ notices: ['fell back to the CPU'] }))
  line.show(job({ notices: ['fell back to the CPU'], unitsDone: 13 }))
  line.end(job({ state: 'done', notices: ['fell back to the CPU', 'late'] }))
  expect(text()).toBe('note: fell back to the CPU\nnote: late\nCompress: done in 1.2 s\n')
})

test('on a terminal the line is drawn over itself and gone at the end', () => {
  const { stream, text } = paper(true, 80)
  const line = createProgressLine(stream, false)
  line.show(job())
  line.end(job({ state: 'cancelled' }))
  expect(text().startsWith('\r\x1b[KCompress ')).toBe(true)
  expect(text().endsWith('\r\x1b[KCompress: cancelled in 1.2 s\n')).toBe(true)
})

test.each([true, false])('quiet says nothing (terminal: %s)', (terminal) => {
  const { stream, text } = paper(terminal)
  const line = createProgressLine(stream, true)
  line.show(job({ notices: ['x'] }))
  line.end(job({ state: 'done', notices: ['x'] }))
  expect(text()).toBe('')
})

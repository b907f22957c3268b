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

test('on a pipe a long job says now and then how far it is: at a finished unit after 20 s, else each minute', () => {
  const { stream, text } = paper(false)
  let seconds = 0
  const line = createProgressLine(stream, false, () => 1000 * seconds)
  const at = (second: number, change: Partial<Job>) => {
    seconds = second
    line.show(job({ progress: second / 200, ...change }))
  }
  at(0, { unitsDone: 0, remainingMs: null, step: 'preparing' })
  at(19, { unitsDone: 1 }) // too soon
  at(25, { unitsDone: 1, remainingMs: 180_000, step: 'block 2' }) // a unit was finished since the last line
  at(50, { unitsDone: 1 }) // nothing finished since
  at(84, { unitsDone: 1 })
  at(85, { unitsDone: 1, remainingMs: null, step: 'block 2' }) // a minute
  at(90, { unitsDone: 2 }) // too soon again
  at(105, { unitsDone: 2, remainingMs: 95_000, step: '' })
  at(190, { id: 'job-2', unitsDone: 0 }) // another job begins to count by itself
  expect(text().split('\n')).toEqual([
    'Compress: 12 %, 1 of 19, 3 min 0 s left, block 2',
    'Compress: 42 %, 1 of 19, estimating, block 2',
    'Compress: 52 %, 2 of 19, 1 min 35 s left',
    '',
  ])
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

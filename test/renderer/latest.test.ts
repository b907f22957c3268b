import { expect, test } from 'vitest'
import { latest } from '../../src-renderer/features/latest.ts'

function held() {
  const started: number[] = []
  const ends: ((error?: Error) => void)[] = []
  const work = (n: number) =>
    new Promise<void>((done, fail) => {
      started.push(n)
      ends.push((error) => (error ? fail(error) : done()))
    })
  const settle = () => new Promise((next) => setTimeout(next, 0))
  return { started, ends, work, settle }
}

test('one in flight; of what comes meanwhile only the newest runs', async () => {
  const { started, ends, work, settle } = held()
  const ask = latest(work, () => {})
  for (const n of [1, 2, 3, 4]) ask(n)
  expect(started).toEqual([1])
  ends[0]?.()
  await settle()
  expect(started).toEqual([1, 4])
  ends[1]?.()
  await settle()
  ask(5)
  expect(started).toEqual([1, 4, 5])
})

test('a failure is told and does not stop the next', async () => {
  const { started, ends, work, settle } = held()
  const errors: unknown[] = []
  const ask = latest(work, (error) => errors.push(error))
  ask(1)
  ask(2)
  ends[0]?.(new Error('no'))
  await settle()
  expect(errors).toEqual([new Error('no')])
  expect(started).toEqual([1, 2])
})

import { afterEach, expect, test } from 'vitest'
import { useAction } from '../../src-renderer/features/useAction.ts'

afterEach(() => document.body.replaceChildren())
function button(): HTMLButtonElement {
  const made = document.createElement('button')
  document.body.append(made)
  made.focus()
  return made
}

test('a button that was busy has the focus again, unless something else took it or it is gone', async () => {
  const own = button()
  const action = useAction(async (what: 'blur' | 'move' | 'go') => {
    await Promise.resolve()
    own.blur()
    if (what === 'move') button()
    if (what === 'go') own.remove()
  })
  await action.run('blur')
  expect(document.activeElement).toBe(own)
  await action.run('move')
  expect(document.activeElement).not.toBe(own)
  own.focus()
  await action.run('go')
  expect(document.activeElement).toBe(document.body)
})

test('a fault is kept and leaves the button free; a second press while busy does nothing', async () => {
  let times = 0
  const gate = Promise.withResolvers<never>()
  const action = useAction(() => {
    times += 1
    return gate.promise
  })
  const first = action.run()
  await action.run()
  expect([times, action.isBusy.value]).toEqual([1, true])
  gate.reject(new Error('no'))
  await first
  expect(action.isBusy.value).toBe(false)
  expect(action.fault.value?.code).toBe('internal')
})

import { flushPromises } from '@vue/test-utils'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { defineComponent, h } from 'vue'
import { openWindow, type Window } from './helpers/mount.ts'

vi.mock('vue-echarts', () => ({ default: defineComponent({ name: 'VChart', setup: () => () => h('canvas') }) }))

// What can be done to a measured variant on Front, and when Front is read anew.
let here: Window
beforeEach(async () => {
  localStorage.clear()
  here = await openWindow()
  await here.button(/^Language model/).trigger('click')
  await flushPromises()
})
afterEach(() => here.wrapper.unmount())
const calls = (channel: string) => here.double.calls.filter((call) => call.channel === channel).map(({ args }) => args)
async function runOne(): Promise<void> {
  await here.press('4')
  await here.button('Run this plan').trigger('click')
  await flushPromises()
  here.double.finish()
  await flushPromises()
}

test('a variant is removed after a question only, and Escape takes the question back', async () => {
  await runOne()
  await here.press('6')
  const options = here.wrapper.findAll('[role="option"]')
  await options.find((option) => option.text().startsWith('Planned'))?.trigger('click')
  await flushPromises()
  const details = () => here.wrapper.find('[aria-label="The chosen point"]')
  await here.button(/^Remove Planned/).trigger('click')
  await flushPromises()
  expect(details().text()).toContain('Remove it, and what was measured of it?')
  await here.button('Keep it').trigger('keydown', { key: 'Escape' })
  await flushPromises()
  expect(details().text()).not.toContain('Remove it, and')
  expect(document.activeElement?.textContent).toMatch(/^\s*Remove Planned/)
  expect(calls('variant.remove')).toEqual([])
  await here.button(/^Remove Planned/).trigger('click')
  await flushPromises()
  await here.button('Remove').trigger('click')
  await flushPromises()
  expect(calls('variant.remove')).toHaveLength(1)
})

test('a name is written at once where the old one stood', async () => {
  await runOne()
  await here.press('6')
  const options = here.wrapper.findAll('[role="option"]')
  await options.find((option) => option.text().startsWith('Planned'))?.trigger('click')
  await flushPromises()
  await here.button(/^Rename Planned/).trigger('click')
  await flushPromises()
  expect((document.activeElement as HTMLInputElement).value).toMatch(/^Planned/)
  await here.wrapper.find('[aria-label="New name"]').setValue('Small one')
  await here.wrapper.find('[aria-label="The chosen point"] form').trigger('submit')
  await flushPromises()
  expect(calls('variant.rename')).toMatchObject([{ name: 'Small one' }])
  expect(here.wrapper.find('[aria-label="New name"]').exists()).toBe(false)
})

test('the end of a job is a reason to read the front again: what it measured last stands in no snapshot', async () => {
  await here.press('4')
  await here.button('Run this plan').trigger('click')
  await flushPromises()
  here.double.finish()
  await flushPromises()
  const before = calls('front.get').length
  const [job] = here.double.jobs
  here.double.push('jobs', [{ ...job, id: 'evaluation', state: 'running' }, job])
  await flushPromises()
  expect(calls('front.get').length).toBe(before)
  here.double.push('jobs', [{ ...job, id: 'evaluation', state: 'done' }, job])
  await flushPromises()
  expect(calls('front.get').length).toBe(before + 1)
})

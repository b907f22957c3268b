import { flushPromises } from '@vue/test-utils'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { defineComponent, h } from 'vue'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { ChannelName } from '../../src-preload/contract/channels.ts'
import { useProject } from '../../src-renderer/stores/project.ts'
import { useToasts } from '../../src-renderer/stores/toasts.ts'
import { createDouble } from './helpers/double.ts'
import { openWindow, type Window } from './helpers/mount.ts'
import { devices, options } from './helpers/network.ts'

vi.mock('vue-echarts', () => ({ default: defineComponent({ name: 'VChart', setup: () => () => h('canvas') }) }))

let here: Window
beforeEach(async () => {
  localStorage.clear()
  here = await openWindow()
})
afterEach(() => here.wrapper.unmount())

const openSample = async (): Promise<void> => {
  await here.button(/^Language model/).trigger('click')
  await flushPromises()
}
const fails = (channel: ChannelName, message: string): void =>
  here.double.set(channel, () => {
    throw new Fault('internal', message)
  })
/** Something was measured: both are asked for again. */
const measured = async (count: number): Promise<void> => {
  const { project } = here.double
  here.double.push('project', { ...project, sensitivity: { ...project.sensitivity, measured: count } })
  await flushPromises()
}
const alerts = () => here.wrapper.findAll('main [role="alert"]').map((alert) => alert.text())

test('options that are there do not wait for the front, be it slow or failing, and Plan says what failed', async () => {
  const front = Promise.withResolvers<never>()
  here.double.set('front.get', () => front.promise)
  await openSample()
  expect(useProject().options).toEqual(options)
  await here.press('4')
  expect(alerts()).toEqual([])
  front.reject(new Fault('internal', 'Layer 0 has 12 times.'))
  await flushPromises()
  expect(alerts()).toHaveLength(1)
  expect(alerts()[0]).toContain('The front could not be read. Layer 0 has 12 times.')
  expect(here.text()).toContain('Predicted loss')
})

test('options that fail are told where they are shown, and the front is new nevertheless', async () => {
  await openSample()
  await here.press('4')
  const { front } = useProject()
  fails('option.list', 'The store is locked.')
  await measured(7)
  expect(useProject().front).not.toBe(front)
  expect(alerts()[0]).toContain('The options of the layers could not be read, and what is shown is older.')
  here.double.set('option.list', () => options)
  await measured(8)
  expect(alerts()).toEqual([])
})

test('the front says in its place that it is older; elsewhere a toast does', async () => {
  await openSample()
  fails('front.get', 'The front is broken.')
  await measured(7)
  expect(useToasts().all.map(({ title }) => title)).toEqual(['The front is broken.'])
  await here.press('6')
  expect(alerts()[0]).toContain('The front could not be read, and what is shown is older. The front is broken.')
  expect(here.wrapper.findAll('[role="option"]').length).toBeGreaterThan(0)
})

test('without any front the fault stands where it would be, and what was said beside is not said twice', async () => {
  const broken = createDouble()
  here.wrapper.unmount()
  here = await openWindow(broken)
  for (const channel of ['front.get', 'plan.solve'] as const) fails(channel, 'The checkpoint is gone.')
  await openSample()
  await here.press('4')
  expect(alerts()).toHaveLength(1)
  await here.press('6')
  expect(alerts()).toHaveLength(1)
  expect(here.text()).not.toContain('Reading the front')
})

test('the picker tells a speed that was measured after its list was drawn, and does not ask twice', async () => {
  const slow = createDouble()
  const list = vi.fn(({ measure }: { measure: boolean }) =>
    devices.map((device) => ({ ...device, gflops: measure ? 26 : null })),
  )
  const gate = Promise.withResolvers<void>()
  slow.set('device.list', async (args) => {
    if (args.measure) await gate.promise
    return list(args)
  })
  here.wrapper.unmount()
  here = await openWindow(slow)
  await openSample()
  const picker = () => here.wrapper.find('[aria-label="Device that runs the network"]').text()
  expect(picker()).toContain('measuring…')
  gate.resolve()
  await flushPromises()
  expect(picker()).toContain('26 GFLOPS')
  expect(list.mock.calls.map(([{ measure }]) => measure)).toEqual([false, true])
})

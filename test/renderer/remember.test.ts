import { flushPromises } from '@vue/test-utils'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { defineComponent, h } from 'vue'
import { Fault } from '../../src-preload/contract/fault.ts'
import { noConstraints } from '../../src-preload/contract/plan.ts'
import { usePlan } from '../../src-renderer/stores/plan.ts'
import { useProject } from '../../src-renderer/stores/project.ts'
import { useSession } from '../../src-renderer/stores/session.ts'
import { createDouble, emptyProject } from './helpers/double.ts'
import { openWindow, type Window } from './helpers/mount.ts'

vi.mock('vue-echarts', () => ({ default: defineComponent({ name: 'VChart', setup: () => () => h('canvas') }) }))

const { folder } = emptyProject()
const head = 'lm_head.weight'
let here: Window
beforeEach(async () => {
  localStorage.clear()
  here = await openWindow()
  await openSample()
})
afterEach(() => here.wrapper.unmount())

async function openSample(): Promise<void> {
  await here.button(/^Language model/).trigger('click')
  await flushPromises()
  await here.press('4')
}
/** The window is closed, and the project opened in a new one. */
async function openAgain(): Promise<void> {
  here.wrapper.unmount()
  here = await openWindow()
  await openSample()
}
const asked = () => here.double.calls.findLast(({ channel }) => channel === 'plan.solve')?.args

test('the draft of a plan outlives the window: budget, locks, constraints, allocator and the comparison', async () => {
  const plan = usePlan()
  plan.lock(head, 'rtn-8-g32')
  plan.setConstraints({ ...noConstraints, floors: { [head]: 3 }, keepBlocks: [2] })
  plan.setAllocator('genetic')
  plan.setComparesUniform(false)
  plan.setBudget({ memory: 9e6, context: 256 })
  await openAgain()
  expect(usePlan().draft).toEqual(plan.draft)
  expect(usePlan().comparesUniform).toBe(false)
  expect(usePlan().past).toEqual([])
  expect(asked()).toMatchObject({ budget: { memory: 9e6, context: 256 }, locked: { [head]: 'rtn-8-g32' } })
  expect(here.text()).not.toContain('was left out')
})

test('a snapshot of the project leaves the draft and its history alone; another format frees the locks', async () => {
  usePlan().lock(head, 'rtn-8-g32')
  const { project } = here.double
  here.double.push('project', { ...project, sensitivity: { ...project.sensitivity, measured: 7 } })
  await flushPromises()
  expect(usePlan().draft.locked).toEqual({ [head]: 'rtn-8-g32' })
  expect(usePlan().past).toHaveLength(1)
  here.double.push('project', { ...project, format: 'gguf' })
  await flushPromises()
  expect(usePlan().draft.locked).toEqual({})
  expect(usePlan().past).toEqual([])
})

test('undo is remembered too, and a project elsewhere has a draft of its own', async () => {
  usePlan().setBudget({ bits: 5 })
  usePlan().setBudget({ bits: 3 })
  usePlan().undo()
  here.wrapper.unmount()
  here = await openWindow(createDouble({ ...emptyProject(), folder: '/elsewhere' }))
  await openSample()
  expect(usePlan().draft).toEqual({ budget: { bits: 4 }, locked: {} })
  await openAgain()
  expect(usePlan().draft.budget).toEqual({ bits: 5 })
})

test('what is gone is left out of the draft and told; what stands stays', async () => {
  const draft = {
    budget: { bits: 5 },
    locked: { [head]: 'rtn-8-g32', 'model.norm.old': 'keep', 'model.layers.0.mlp.up_proj.weight': 'trellis-2' },
    constraints: { ...noConstraints, alike: [[head, 'gone.weight']], ceilings: { gone: 4 }, keepBlocks: [1, 8] },
    allocator: 'oracle',
  }
  localStorage.setItem(`lathe.plan.${folder}`, JSON.stringify(draft))
  await openAgain()
  const plan = usePlan()
  expect(plan.draft).toEqual({
    budget: { bits: 5 },
    locked: { [head]: 'rtn-8-g32' },
    constraints: { ...noConstraints, keepBlocks: [1] },
  })
  for (const words of [
    'lock of model.norm.old: no such layer',
    'lock of model.layers.0.mlp.up_proj.weight: trellis-2 is not offered for it',
    'group with gone.weight: no such layer',
    'most bits of gone: no such layer',
    'block 8 that stays: no such block',
    'allocator oracle: this Lathe has none',
  ])
    expect(here.text()).toContain(words)
  await here.button('Dismiss').trigger('click')
  expect(here.text()).not.toContain('was left out')
  await openAgain()
  expect(here.text()).not.toContain('was left out')
})

test('nonsense in storage is a new draft, part by part', async () => {
  localStorage.setItem(`lathe.plan.${folder}`, JSON.stringify({ budget: { bits: 99 }, locked: { [head]: 'keep' } }))
  await openAgain()
  expect(usePlan().draft).toEqual({ budget: { bits: 4 }, locked: { [head]: 'keep' } })
  localStorage.setItem(`lathe.plan.${folder}`, '{"budget"')
  await openAgain()
  expect(usePlan().draft).toEqual({ budget: { bits: 4 }, locked: {} })
})

test('a page loaded anew opens its project again, at its step, with its draft; a new window begins at the start', async () => {
  usePlan().lock(head, 'rtn-8-g32')
  here.wrapper.unmount()
  here = await openWindow(createDouble(), { again: true })
  await flushPromises()
  expect(useProject().project?.folder).toBe(folder)
  expect(useSession().step).toBe('plan')
  expect(usePlan().draft.locked).toEqual({ [head]: 'rtn-8-g32' })
  here.wrapper.unmount()
  here = await openWindow()
  expect(useProject().project).toBeNull()
})

test('a project that is gone gives the start screen with a word about it, once', async () => {
  here.wrapper.unmount()
  const double = createDouble()
  double.set('project.open', () => {
    throw new Fault('not-found', 'There is no project in this folder.')
  })
  here = await openWindow(double, { again: true })
  await flushPromises()
  expect(useSession().step).toBe('home')
  expect(here.wrapper.find('[role="note"]').text()).toContain(`was open here (${folder})`)
  expect(here.wrapper.find('[role="note"]').text()).toContain('There is no project in this folder.')
  expect(here.wrapper.find('[role="alert"]').exists()).toBe(false)
  here.wrapper.unmount()
  here = await openWindow(double, { again: true })
  await flushPromises()
  expect(double.calls.filter(({ channel }) => channel === 'project.open').length).toBe(1)
  expect(here.text()).not.toContain('was open here')
})

import { flushPromises } from '@vue/test-utils'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { defineComponent, h } from 'vue'
import { Fault } from '../../src-preload/contract/fault.ts'
import { usePlan } from '../../src-renderer/stores/plan.ts'
import { useProject } from '../../src-renderer/stores/project.ts'
import { useSession } from '../../src-renderer/stores/session.ts'
import { createDouble, emptyProject } from './helpers/double.ts'
import { openWindow, type Window } from './helpers/mount.ts'

vi.mock('vue-echarts', () => ({ default: defineComponent({ name: 'VChart', setup: () => () => h('canvas') }) }))

let here: Window
beforeEach(async () => {
  localStorage.clear()
  here = await openWindow()
})
afterEach(() => here.wrapper.unmount())

const calls = (channel: string) => here.double.calls.filter((call) => call.channel === channel).map((call) => call.args)
const openSample = async (): Promise<void> => {
  await here.button(/^Language model/).trigger('click')
  await flushPromises()
}

test('Home lists recent projects and keeps the other steps closed', () => {
  expect(here.text()).toContain('resnet32')
  expect(here.button(/^vit-tiny/).attributes('disabled')).toBeDefined()
  expect(here.button(/^Plan/).attributes('disabled')).toBeDefined()
})

test('a sample opens into Inspect with its layers and the histogram of the first', async () => {
  await openSample()
  expect(useSession().step).toBe('inspect')
  expect(here.text()).toContain('model.embed_tokens.weight')
  expect(here.text()).toContain('Std. deviation')
  expect(calls('checkpoint.histogram')).toEqual([
    { path: '/models/novels-5m', layer: 'model.embed_tokens.weight', bins: 64 },
  ])
})

test('data is looked for in the folder of the checkpoint first, and only data is offered', async () => {
  here.double.set('files.list', ({ folder }) => {
    if (folder?.endsWith('.onnx')) throw new Fault('not-found', 'This is a file.')
    return { folder: folder ?? '/home', parent: '/', entries: [], truncated: false }
  })
  here.double.set('project.createSample', () => ({
    ...emptyProject(),
    checkpoint: { ...emptyProject().checkpoint, path: '/models/net/resnet32.onnx' },
  }))
  await openSample()
  await here.press('3')
  await here.button('Browse…').trigger('click')
  await vi.waitFor(() => expect(calls('files.list')).toHaveLength(2))
  await flushPromises()
  expect(calls('files.list').at(-1)).toEqual({ folder: '/models/net', purpose: 'data' })
  expect(document.querySelector<HTMLInputElement>('[role="dialog"] input.path')?.value).toBe('/models/net')
  expect(document.querySelector('[role="dialog"] [role="alert"]')).toBeNull()
})

test('arrows move the chosen layer', async () => {
  await openSample()
  const body = here.wrapper.find('[aria-label^="Layer rows"]')
  await body.trigger('keydown', { key: 'ArrowDown' })
  await body.trigger('keydown', { key: 'ArrowDown' })
  expect(useProject().layer).toBe('model.layers.0.self_attn.q_proj.weight')
  await body.trigger('keydown', { key: 'End' })
  expect(useProject().layer).toBe('lm_head.weight')
})

test('a fault while opening is shown with its hint and its place', async () => {
  here.double.set('project.createSample', () => {
    throw new Fault('bad-input', 'model.onnx ends early.', {
      hint: 'Fetch it again.',
      data: { file: '/m/model.onnx', offset: 512 },
    })
  })
  await openSample()
  const fault = here.wrapper.find('[role="alert"]').text()
  for (const words of ['model.onnx ends early.', 'Fetch it again.', '/m/model.onnx', '512'])
    expect(fault).toContain(words)
  expect(useSession().step).toBe('home')
})

test('digits go to the steps once a project is open, and never while typing', async () => {
  await here.press('4')
  expect(useSession().step).toBe('home')
  await openSample()
  await here.press('4')
  expect(useSession().step).toBe('plan')
  await here.press('2')
  const search = here.wrapper.find('input[type="search"]').element
  search.dispatchEvent(new KeyboardEvent('keydown', { key: '7', bubbles: true }))
  expect(useSession().step).toBe('inspect')
})

test('the slider asks for plans, a lock goes with the next question, and undo takes it back', async () => {
  await openSample()
  await here.press('4')
  expect(here.text()).toContain('Predicted loss')
  const slider = here.wrapper.find('[role="slider"]')
  await slider.trigger('keydown', { key: 'ArrowRight' })
  await flushPromises()
  expect(calls('plan.solve').at(-1)).toMatchObject({ budget: { bits: 4.05 }, locked: {} })
  const list = here.wrapper.find('[aria-label^="Layers of the plan"]')
  await list.trigger('keydown', { key: 'l' })
  await flushPromises()
  expect(calls('plan.solve').at(-1)).toMatchObject({
    locked: { 'model.embed_tokens.weight': expect.stringMatching(/^rtn/) },
  })
  expect(here.text()).toContain('Locked by you')
  await here.press('z', { ctrlKey: true })
  expect(here.text()).toContain('Chosen by the plan')
  await here.press('z', { ctrlKey: true })
  expect(usePlan().draft.budget).toEqual({ bits: 4 })
})

test('a plan that cannot be is a fault on the screen, and cannot be run', async () => {
  await openSample()
  here.double.set('plan.solve', () => {
    throw new Fault('infeasible', 'No plan fits into 10 bytes; the smallest takes 999.', { hint: 'Raise the budget.' })
  })
  await here.press('4')
  expect(here.wrapper.find('[role="alert"]').text()).toContain('the smallest takes 999')
  expect(here.button('Run this plan').attributes('disabled')).toBeDefined()
})

test('a run goes to Run, shows its step, can be cancelled and resumed', async () => {
  await openSample()
  await here.press('4')
  await here.button('Run this plan').trigger('click')
  await flushPromises()
  expect(useSession().step).toBe('run')
  expect(calls('run.start')[0]).toMatchObject({ evaluate: true, recipe: { lathe: 1 } })
  expect(here.text()).toContain('model.layers.3.self_attn.q_proj.weight')
  await here.button('Cancel').trigger('click')
  await flushPromises()
  expect(here.text()).toContain('Cancelled')
  await here.button('Resume').trigger('click')
  await flushPromises()
  expect(calls('job.resume').length).toBe(1)
})

test('what is measured appears in Compare; a predicted point can be measured', async () => {
  await openSample()
  await here.press('4')
  await here.button('Run this plan').trigger('click')
  await flushPromises()
  here.double.finish()
  await flushPromises()
  await here.press('6')
  const titles = () => here.wrapper.findAll('[role="option"]').map((option) => option.text())
  expect(titles().some((title) => title.startsWith('Original'))).toBe(true)
  expect(titles().some((title) => title.startsWith('Planned'))).toBe(true)
  await here.wrapper.findAll('[role="tab"]')[1]?.trigger('mousedown')
  await flushPromises()
  const predicted = here.wrapper.findAll('[role="option"]').find((option) => option.text().startsWith('Planned 2 bits'))
  await predicted?.trigger('click')
  await flushPromises()
  await here.button('Measure this point').trigger('click')
  await flushPromises()
  expect(calls('plan.solve').at(-1)).toMatchObject({ budget: { bytes: expect.any(Number) } })
  expect(calls('run.start').length).toBe(2)
})

test('an export shows files, checksum and checks', async () => {
  await openSample()
  await here.press('4')
  await here.button('Run this plan').trigger('click')
  await flushPromises()
  here.double.finish()
  await flushPromises()
  await here.press('7')
  await here.wrapper.find('form').trigger('submit')
  await flushPromises()
  expect(calls('export.start')[0]).toMatchObject({
    format: 'onnx',
    overwrite: false,
    path: expect.stringMatching(/\.onnx$/),
  })
  here.double.finish()
  await flushPromises()
  for (const words of ['sha256 b5bb9d80', 'Reopened in a fresh session', 'exactly as planned'])
    expect(here.text()).toContain(words)
})

test('tensors only: no data is asked for, plans rest on weight errors, and only packed safetensors is offered', async () => {
  const start = emptyProject()
  const exports = [
    { format: 'safetensors', reason: null },
    { format: 'onnx', reason: 'it holds tensors only, without a graph' },
  ]
  const tensors = {
    ...start,
    format: 'safetensors',
    checkpoint: { ...start.checkpoint, task: 'none' as const, family: 'tensors-only', exports },
  }
  here.wrapper.unmount()
  here = await openWindow(createDouble(tensors))
  here.double.set('project.createSample', () => tensors)
  await openSample()
  await here.press('3')
  expect(here.text()).toContain('This checkpoint holds tensors only')
  expect(here.button('Measure weight errors').attributes('disabled')).toBeUndefined()
  await here.press('4')
  expect(here.text()).toContain('Predicted weight error')
  await here.button('Run this plan').trigger('click')
  await flushPromises()
  expect(calls('run.start')[0]).toMatchObject({ evaluate: false })
  here.double.finish()
  await flushPromises()
  await here.press('7')
  expect(here.wrapper.find('[aria-label="Format"]').text()).toContain('Packed safetensors')
  await here.wrapper.find('form').trigger('submit')
  await flushPromises()
  expect(calls('export.start')[0]).toMatchObject({
    format: 'safetensors',
    path: expect.stringMatching(/\.safetensors$/),
  })
})

test('what the shell asks to open is opened', async () => {
  here.double.push('open', { purpose: 'project', path: '/some/project' })
  await flushPromises()
  expect(calls('project.open')).toEqual([{ folder: '/some/project' }])
  expect(useSession().step).toBe('inspect')
})

test('a dropped file is opened by its path', async () => {
  const double = Object.assign(here.double, { pathOf: (file: File) => `/dropped/${file.name}` })
  here.wrapper.unmount()
  here = await openWindow(double)
  const event = new Event('drop', { bubbles: true, cancelable: true })
  Object.assign(event, { dataTransfer: { files: [new File(['x'], 'tiny.onnx')] } })
  here.wrapper.find('.drop').element.dispatchEvent(event)
  await flushPromises()
  expect(calls('project.create')).toMatchObject([{ checkpoint: '/dropped/tiny.onnx' }])
})

test('where no path can be told, a dropped file is explained', async () => {
  const event = new Event('drop', { bubbles: true, cancelable: true })
  Object.assign(event, { dataTransfer: { files: [new File(['x'], 'tiny.onnx')] } })
  here.wrapper.find('.drop').element.dispatchEvent(event)
  await flushPromises()
  expect(here.text()).toContain('A browser does not tell where a dropped file lies')
})

test('the theme button goes round and is written on the page', async () => {
  const theme = here.button(/^Theme:/)
  await theme.trigger('click')
  expect(document.documentElement.dataset.theme).toBe('light')
  await theme.trigger('click')
  expect(document.documentElement.dataset.theme).toBe('dark')
  await theme.trigger('click')
  expect(document.documentElement.dataset.theme).toBeUndefined()
})

import { flushPromises } from '@vue/test-utils'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { defineComponent, h } from 'vue'
import { Fault } from '../../src-preload/contract/fault.ts'
import { useConvert } from '../../src-renderer/stores/convert.ts'
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
const arrive = async (): Promise<void> => {
  here.double.push('open', { purpose: 'convert', path: '/models/novels-5m' })
  await flushPromises()
}

test('a key leads to Convert without a project; the menu leads there with a file', async () => {
  await here.press('8')
  expect(useSession().step).toBe('convert')
  expect(here.text()).toContain('Choose a checkpoint')
  await here.press('1')
  await arrive()
  expect(useSession().step).toBe('convert')
  expect(calls('checkpoint.inspect')).toEqual([{ path: '/models/novels-5m' }])
  expect(calls('project.create')).toEqual([])
  expect(useProject().project).toBeNull()
})

test('what it is, what it can become, types and sizes, then the file and its checksum', async () => {
  await arrive()
  expect(here.text()).toContain('llama, language model')
  expect(here.text()).toContain('Layer widths must be multiples of 128.')
  const store = useConvert()
  expect(store.format).toBe('onnx')
  const radios = here.wrapper.findAll('[role="radiogroup"][aria-label="Convert to"] [role="radio"]')
  expect(radios.map((radio) => radio.attributes('value'))).toEqual(['onnx', 'gguf'])
  await radios[1]?.trigger('click')
  await flushPromises()
  expect(calls('convert.plan').at(-1)).toEqual({ checkpoint: '/models/novels-5m', format: 'gguf', parameters: {} })
  store.setValues({ type: 'Q4_K' })
  await flushPromises()
  expect(calls('convert.plan').at(-1)).toMatchObject({ parameters: { type: 'Q4_K' } })
  expect(here.text()).toContain('4.5 bits')
  expect(here.text()).toContain('Rounding is weighed by')
  const name = here.wrapper.find('#convert-name').element as HTMLInputElement
  expect(name.value).toBe('novels-5m-Q4_K.gguf')
  await here.wrapper.find('form').trigger('submit')
  await flushPromises()
  expect(calls('convert.start')).toEqual([
    {
      checkpoint: '/models/novels-5m',
      format: 'gguf',
      parameters: { type: 'Q4_K' },
      path: '/models/novels-5m-Q4_K.gguf',
      overwrite: false,
      importance: null,
      data: null,
    },
  ])
  expect(here.text()).toContain('about 14 s left')
  here.double.finish()
  await flushPromises()
  for (const words of ['sha256 b5bb9d80', 'Reopened: 58 tensors', 'novels-5m, GGUF'])
    expect(here.text()).toContain(words)
})

test('an imatrix file goes along; a taken name asks before it is replaced', async () => {
  await arrive()
  const store = useConvert()
  store.setFormat('gguf')
  store.setValues({ type: 'Q4_K' })
  store.weighing = 'imatrix'
  await flushPromises()
  await here.wrapper.find('form').trigger('submit')
  expect(calls('convert.start')).toEqual([]) // no path yet
  store.weighingPath = '/m/imatrix.gguf'
  here.double.set('convert.start', () => {
    throw new Fault('conflict', '/models/x.gguf already exists.', { hint: 'Choose another name.' })
  })
  await flushPromises()
  await here.wrapper.find('form').trigger('submit')
  await flushPromises()
  expect(calls('convert.start')[0]).toMatchObject({ importance: '/m/imatrix.gguf', data: null })
  expect(here.text()).toContain('Something of that name exists')
})

test('a file from the menu that cannot be read is told', async () => {
  here.double.set('checkpoint.inspect', () => {
    throw new Fault('bad-input', 'x.pt ends early.', { hint: 'Fetch it again.' })
  })
  await arrive()
  expect(useSession().step).toBe('convert')
  expect(here.text()).toContain('x.pt ends early.')
})

test('a parameter that does not fit is a fault on the page, and nothing can be started', async () => {
  await arrive()
  here.double.set('convert.plan', () => {
    throw new Fault('bad-arguments', 'GGUF: Invalid option.', { hint: 'Known: type.' })
  })
  useConvert().setFormat('gguf')
  await flushPromises()
  expect(here.wrapper.find('[role="alert"]').text()).toContain('GGUF: Invalid option.')
  const submit = here.wrapper
    .findAll('button')
    .filter((one) => one.text() === 'Convert')
    .at(-1)
  expect(submit?.attributes('disabled')).toBeDefined()
})

const hostile = '<img src=x onerror="document.title=1">'

test('the model card shows what a file says as text, renders its template only when asked', async () => {
  here.wrapper.unmount()
  const start = emptyProject()
  const checkpoint = {
    ...start.checkpoint,
    licence: hostile,
    family: hostile,
    card: { [hostile]: hostile },
    tied: [hostile],
  }
  here = await openWindow(createDouble({ ...start, checkpoint }))
  here.double.set('checkpoint.documents', () => ({
    config: hostile,
    tokenizer: { kind: hostile, entries: 1, special: 0 },
    chatTemplate: `{{ ${hostile} }}`,
  }))
  here.double.set('checkpoint.chat', () => ({ text: hostile, tokens: 3 }))
  here.double.set('project.createSample', () => ({ ...start, checkpoint }))
  await here.button(/^Language model/).trigger('click')
  await flushPromises()
  await here.button('Model card').trigger('click')
  await flushPromises()
  expect(calls('checkpoint.chat')).toEqual([])
  await here.button('Chat template').trigger('click')
  await here.button('Render a sample').trigger('click')
  await flushPromises()
  expect(calls('checkpoint.chat')).toHaveLength(1)
  expect(here.wrapper.find('[aria-label="Rendered sample"]').text()).toBe(hostile)
  expect(here.text().split(hostile).length).toBeGreaterThan(6)
  expect(document.querySelectorAll('img')).toHaveLength(0)
})

test('the plan goes on for another format: nothing stays locked, the budget does', async () => {
  await here.button(/^Language model/).trigger('click')
  await flushPromises()
  await here.press('4')
  await here.wrapper.find('[role="slider"]').trigger('keydown', { key: 'ArrowRight' })
  await flushPromises()
  await here.wrapper.find('[aria-label^="Layers of the plan"]').trigger('keydown', { key: 'l' })
  await flushPromises()
  expect(Object.keys((calls('plan.solve').at(-1) as { locked: object }).locked)).toHaveLength(1)
  const before = calls('option.list').length
  here.double.push('project', { ...here.double.project, format: 'gguf' })
  await flushPromises()
  expect(here.wrapper.find('[aria-label="Plan for"]').text()).toBe('GGUF')
  expect(calls('option.list').length).toBe(before + 1)
  expect(calls('plan.solve').at(-1)).toEqual({
    project: here.double.project.folder,
    budget: { bits: 4.05 },
    locked: {},
    allocator: null,
  })
})

test('a lock on an option that other data took away is not asked for any more', async () => {
  await here.button(/^Language model/).trigger('click')
  await flushPromises()
  await here.press('4')
  await here.wrapper.find('[aria-label^="Layers of the plan"]').trigger('keydown', { key: 'l' })
  await flushPromises()
  const options = useProject().options ?? []
  const locks = () => Object.keys((calls('plan.solve').at(-1) as { locked: object }).locked)
  expect(locks()).toHaveLength(1)
  useProject().setOptions(
    options.map((layer) => ({ ...layer, options: layer.options.map((each) => ({ ...each, id: `${each.id}-w` })) })),
  )
  await flushPromises()
  expect(locks()).toEqual([])
})

import { flushPromises } from '@vue/test-utils'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { defineComponent, h } from 'vue'
import { Fault } from '../../src-preload/contract/fault.ts'
import { type Methods, plainMethods } from '../../src-preload/contract/plan.ts'
import {
  choiceSummary,
  plannedParameters,
  quantizersOf,
  withoutPreparation,
  withPreparation,
  withPreparationMoved,
  withPreparationParameters,
  withQuantizer,
} from '../../src-renderer/features/methods/choice.ts'
import { methodGroups } from '../../src-renderer/features/methods/families.ts'
import { usePlan } from '../../src-renderer/stores/plan.ts'
import { useSession } from '../../src-renderer/stores/session.ts'
import { createDouble, emptyProject } from './helpers/double.ts'
import { methods } from './helpers/methods.ts'
import { openWindow, type Window } from './helpers/mount.ts'
import * as made from './helpers/network.ts'

vi.mock('vue-echarts', () => ({ default: defineComponent({ name: 'VChart', setup: () => () => h('canvas') }) }))

const uses = (...ids: string[]): Methods['prepare'] => ids.map((method) => ({ method, parameters: {} }))

describe('the choice', () => {
  test('a quantizer brings what belongs before it, and takes it away when it goes', () => {
    const now = withQuantizer({ ...plainMethods, prepare: uses('int8') }, 'feedback', methods)
    expect(now.quantizer).toEqual({ method: 'feedback', parameters: {} })
    expect(now.prepare).toEqual(uses('rotation', 'int8'))
    expect(withQuantizer(now, 'feedback', methods)).toBe(now)
    expect(withQuantizer(now, null, methods)).toEqual({ ...plainMethods, prepare: uses('int8') })
    // What the person changed is theirs, and stays.
    const changed = withPreparationParameters(now, 0, { size: 64 })
    expect(withQuantizer(changed, 'levels', methods).prepare[0]).toEqual({
      method: 'rotation',
      parameters: { size: 64 },
    })
    // Taken out by hand it stays out; it does not come twice.
    expect(withQuantizer({ ...plainMethods, prepare: uses('rotation') }, 'feedback', methods).prepare).toHaveLength(1)
  })

  test('preparations are added, ordered and taken out, eight at most', () => {
    const two = withPreparation(withPreparation(plainMethods, 'rotation'), 'int8')
    expect(withPreparationMoved(two, 1, -1).prepare).toEqual(uses('int8', 'rotation'))
    expect(withPreparationMoved(two, 0, -1).prepare).toEqual(two.prepare)
    expect(withoutPreparation(two, 0).prepare).toEqual(uses('int8'))
    const many = Array.from({ length: 12 }).reduce((now: Methods) => withPreparation(now, 'int8'), plainMethods)
    expect(many.prepare).toHaveLength(8)
  })

  test('only quantizers that plans can be made with are offered, and not asked what the plan decides', () => {
    expect(quantizersOf(methods).map(({ id }) => id)).toEqual(['feedback', 'levels'])
    const [feedback, levels] = quantizersOf(methods)
    expect(plannedParameters(feedback!)).toContain('granularity')
    expect(plannedParameters(levels!)).toEqual(['bits'])
  })

  const said = (now: Partial<Methods>, more: { data?: null; task?: 'none' } = {}, options = made.options) =>
    choiceSummary(
      { ...plainMethods, ...now },
      methods,
      {
        data: more.data === null ? null : made.data,
        checkpoint: { ...made.checkpoint, ...(more.task ? { task: more.task } : {}) },
      },
      options,
      'ONNX',
    )

  test('cost and trouble are told in words', () => {
    expect(said({})).toMatchObject({ title: 'Rounding to nearest', before: [], trouble: null })
    const feedback = { quantizer: { method: 'feedback', parameters: {} }, prepare: uses('rotation') }
    expect(said(feedback)).toMatchObject({ title: 'Error feedback', before: ['Rotation'] })
    expect(said({ ...feedback, samples: 16 }).cost).toMatch(/^16 calibration samples .* block by block/)
    expect(said(feedback, { data: null }).trouble).toMatchObject({ step: 'data' })
    expect(said(feedback, { task: 'none' }).trouble?.text).toContain('tensors only')
    expect(said(feedback).trouble?.text).toContain('ONNX has no place')
    const twin = made.options.map((layer) => ({
      ...layer,
      options: layer.options.map((option) => ({ ...option, method: 'feedback', form: option.id })),
    }))
    expect(said(feedback, {}, twin).trouble).toBeNull()
    expect(said({ prepare: uses('int8') }).cost).toContain('once')
    expect(said({ prepare: uses('gone') }).before).toEqual(['gone'])
  })

  test('methods are found by their words, in families', () => {
    expect(methodGroups(methods, '').map(({ family }) => family)).toEqual([
      'score',
      'prepare',
      'activate',
      'quantize',
      'allocate',
      'export',
    ])
    expect(methodGroups(methods, 'quantizers error').flatMap((group) => group.methods.map(({ id }) => id))).toEqual([
      'feedback',
    ])
    expect(methodGroups(methods, 'astrology')).toEqual([])
  })
})

describe('on Plan', { timeout: 20_000 }, () => {
  let here: Window
  const open = async (double = createDouble()): Promise<void> => {
    here = await openWindow(double)
    await here.button(/^Language model/).trigger('click')
    await flushPromises()
    await here.press('4')
  }
  beforeEach(() => localStorage.clear())
  afterEach(() => here.wrapper.unmount())
  const sent = () =>
    here.double.calls.filter(({ channel }) => channel === 'project.setMethods').map(({ args }) => args) as {
      methods: Methods
    }[]
  const inDialog = (selector: string) => [...document.querySelectorAll<HTMLElement>(`[role="dialog"] ${selector}`)]
  const press = async (selector: string, words: string): Promise<void> => {
    const found = inDialog(selector).find((one) => one.textContent?.trim() === words)
    if (!found)
      throw new Error(
        `no ${words} among ${inDialog(selector)
          .map((one) => one.textContent?.trim())
          .join(' | ')}`,
      )
    found.click()
    await flushPromises()
  }
  const rounding = () => here.wrapper.find('[data-test="rounding"]').text()

  test('a choice is told to Lathe and is one step of the history', async () => {
    await open()
    expect(rounding()).toBe('Rounding to nearest')
    await here.button('Change…').trigger('click')
    await press('[role="radio"]', 'Error feedback')
    expect(sent().at(-1)?.methods).toEqual({
      ...plainMethods,
      quantizer: { method: 'feedback', parameters: {} },
      prepare: uses('rotation'),
    })
    expect(rounding()).toBe('Error feedback')
    await press('button', 'Take Rotation out')
    expect(sent().at(-1)?.methods.prepare).toEqual([])
    await press('button', 'Undo')
    expect(sent().at(-1)?.methods.prepare).toEqual(uses('rotation'))
    await press('button', 'Done')
    await here.press('z', { ctrlKey: true })
    expect(sent().at(-1)?.methods).toEqual(plainMethods)
    expect(rounding()).toBe('Rounding to nearest')
    await here.press('z', { ctrlKey: true, shiftKey: true })
    expect(rounding()).toBe('Error feedback')
  })

  test('parameters that differ from their defaults, and samples, are told', async () => {
    await open(
      createDouble({
        ...emptyProject(),
        methods: { ...plainMethods, quantizer: { method: 'feedback', parameters: {} } },
      }),
    )
    expect(rounding()).toBe('Error feedback')
    await here.button('Change…').trigger('click')
    await flushPromises()
    const damping = inDialog('#quantizer-damping')[0] as HTMLInputElement
    expect(damping.value).toBe('0.01')
    expect(inDialog('#quantizer-bits')).toEqual([])
    damping.value = '0.1'
    damping.dispatchEvent(new Event('change'))
    await flushPromises()
    expect(sent().at(-1)?.methods.quantizer?.parameters).toEqual({ damping: 0.1 })
    const samples = inDialog('#samples')[0] as HTMLInputElement
    samples.value = '12'
    samples.dispatchEvent(new Event('change'))
    await flushPromises()
    expect(sent().at(-1)?.methods.samples).toBe(12)
  })

  test('what Lathe refuses is taken back and said', async () => {
    await open()
    here.double.set('project.setMethods', () => {
      throw new Fault('unsupported', 'Rotation does not fit this network.', { hint: 'Leave it out.' })
    })
    await here.button('Change…').trigger('click')
    await press('[role="radio"]', 'Error feedback')
    expect(rounding()).toBe('Rounding to nearest')
    expect(usePlan().past).toEqual([])
    expect(here.text()).toContain('Rotation does not fit this network.')
  })

  test('every method has a page, reached by key and found by words', async () => {
    await open()
    await here.press('0')
    expect(useSession().step).toBe('methods')
    const search = here.wrapper.find<HTMLInputElement>('main input[type="search"]')
    await search.setValue('error feedback')
    expect(here.text()).toContain('Somebody 2022, section 3')
    expect(here.text()).toContain('w ← w − e U')
    expect(here.text()).toContain('Rotation, done to the network before')
    await search.setValue('')
    const list = here.wrapper.find('[aria-label^="Methods; arrow"]')
    await list.trigger('keydown', { key: 'End' })
    expect(here.wrapper.find('h2.name').text()).toBe('Packed safetensors')
  })
})

import { flushPromises } from '@vue/test-utils'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { defineComponent, h } from 'vue'
import { Fault } from '../../src-preload/contract/fault.ts'
import { noConstraints, plainMethods } from '../../src-preload/contract/plan.ts'
import { allocatorChoices, chosenBy } from '../../src-renderer/features/plan/allocators.ts'
import { askedFields } from '../../src-renderer/features/plan/budgetModes.ts'
import { floorMeasured } from '../../src-preload/contract/plan.ts'
import { floorTime } from '../../src-renderer/features/plan/floor.ts'
import { useCompare } from '../../src-renderer/stores/compare.ts'
import { usePlan } from '../../src-renderer/stores/plan.ts'
import { useSession } from '../../src-renderer/stores/session.ts'
import { formatBytes } from '../../src-renderer/ui/format.ts'
import { follow, preflight } from './helpers/front.ts'
import { methods } from './helpers/methods.ts'
import { openWindow, type Window } from './helpers/mount.ts'
import { solve } from './helpers/network.ts'

vi.mock('vue-echarts', () => ({ default: defineComponent({ name: 'VChart', setup: () => () => h('canvas') }) }))

let here: Window
beforeEach(async () => {
  localStorage.clear()
  here = await openWindow()
  await here.button(/^Language model/).trigger('click')
  await flushPromises()
  await here.press('4')
})
afterEach(() => here.wrapper.unmount())

const calls = (channel: string) => here.double.calls.filter((call) => call.channel === channel).map((call) => call.args)
const chosen = () => here.wrapper.find('[data-test="chosen-by"]').text()

test('what loses at most a share is found by measuring, and what was found is chosen on the front', async () => {
  expect(here.text()).not.toContain('Find it by measuring')
  usePlan().lock('lm_head.weight', 'rtn-8-g32')
  usePlan().setBudget({ lose: 0.03 })
  await flushPromises()
  expect(here.text()).toContain('Predicted now; measuring makes sure.')
  expect(here.text()).toMatch(/At most 10 of 64 plans along the curve are run and evaluated, about 1 min 30 s in all/)
  await here.button('Find it by measuring').trigger('click')
  await flushPromises()
  expect(calls('floor.start')).toMatchObject([{ lose: 0.03, locked: { 'lm_head.weight': 'rtn-8-g32' } }])
  expect(useSession().step).toBe('run')
  await here.press('4')
  expect(here.button('Measuring…').attributes('disabled')).toBeDefined()
  here.double.finish()
  await flushPromises()
  await here.press('5')
  await here.button('See what it found').trigger('click')
  await flushPromises()
  expect(useSession().step).toBe('compare')
  const found = here.double.jobs.at(-1)?.result
  expect(found).toMatch(/^variant-/)
  expect(useCompare().chosen).toBe(`measured ${found}`)
  expect(here.wrapper.find('[role="option"][aria-selected="true"]').text()).toContain('Planned 5 bits')
})

test('without room for it the person is asked before a search begins', async () => {
  here.double.set('plan.preflight', () => ({ ...preflight, fits: false }))
  usePlan().setBudget({ lose: 0.03 })
  await flushPromises()
  await here.button('Find it by measuring').trigger('click')
  await flushPromises()
  expect(here.text()).toContain('This may not fit')
  expect(calls('floor.start')).toEqual([])
})

test('the time of a search grows with what of a plan is still to be done, and is not told where nothing tells it', () => {
  const { time } = preflight
  expect(floorTime({ time, done: 0 })).toBe(9000 * floorMeasured())
  expect(floorTime({ time, done: 0.5 })).toBe(18_000 * floorMeasured())
  expect(floorTime({ time: { ...time, seconds: 0 }, done: 1 })).toBeNull()
})

test('another allocator chooses what rests; undo gives the choice back', async () => {
  expect(chosen()).toBe('Proven best: Exact budgeted choice')
  expect(calls('plan.solve').at(-1)).toMatchObject({ allocator: null })
  usePlan().setAllocator('genetic')
  await flushPromises()
  expect(calls('plan.solve').at(-1)).toMatchObject({ allocator: 'genetic' })
  expect(chosen()).toBe('Not proven best: Genetic search with a learned predictor')
  await here.press('z', { ctrlKey: true })
  expect(calls('plan.solve').at(-1)).toMatchObject({ allocator: null })
  expect(chosen()).toMatch(/^Proven best/)
})

test('while an allocator takes its time that is said', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  here.double.set('plan.solve', async ({ budget }) => {
    await promise
    return { ...solve(budget, {}), allocator: 'genetic', optimal: false }
  })
  usePlan().setAllocator('genetic')
  await flushPromises()
  expect(chosen()).toBe('Genetic search with a learned predictor is choosing…')
  resolve()
  await flushPromises()
  expect(chosen()).toMatch(/^Not proven best/)
})

test('what an allocator does not know is said beside the way out; other faults stay faults', async () => {
  usePlan().setAllocator('knapsack')
  usePlan().setBudget({ perSecond: 10 })
  await flushPromises()
  expect(here.wrapper.find('[role="alert"]').exists()).toBe(false)
  expect(here.wrapper.find('[role="note"]:has(button)').exists()).toBe(true)
  expect(here.text()).toContain('does not take into account')
  await here.button('Let an exact one choose').trigger('click')
  await flushPromises()
  expect(here.text()).not.toContain('does not take into account')
  expect(usePlan().draft.allocator).toBeUndefined()
  usePlan().setAllocator('genetic')
  here.double.set('plan.solve', () => {
    throw new Fault('infeasible', 'No plan fits.')
  })
  usePlan().setBudget({ bytes: 10 })
  await flushPromises()
  expect(here.wrapper.find('[role="alert"]').text()).toContain('No plan fits.')
})

test('lists wait while the hand moves, and catch up where it rests', async () => {
  vi.useFakeTimers()
  try {
    const plan = usePlan()
    const [asked, calm] = [calls('plan.solve').length, plan.calm]
    for (let move = 1; move <= 20; move += 1) {
      plan.drag({ bits: 4 + move / 20 })
      await vi.advanceTimersByTimeAsync(20)
      expect(plan.plan?.allocator).toBe('relaxed')
      expect(plan.calm).toBe(calm)
    }
    expect(calls('plan.solve').length).toBe(asked)
    await vi.advanceTimersByTimeAsync(200)
    expect(calls('plan.solve').length).toBe(asked + 1)
    expect(plan.calm).toBe(plan.plan)
    expect(plan.calm?.recipe).not.toBeNull()
  } finally {
    vi.useRealTimers()
  }
})

test('allocators are offered with what they cost, the exact one first', () => {
  const choices = allocatorChoices(methods)
  expect(choices.map(({ value }) => value)).toEqual(['exact', 'knapsack', 'genetic'])
  expect(choices[2]?.note).toMatch(/so far\. Cost: a second or so/)
  expect(chosenBy({ allocator: 'relaxed', optimal: false }, methods).title).toBe('Following the hand')
  expect(chosenBy({ allocator: 'gone', optimal: true }, methods).title).toBe('Proven best: gone')
})

test('what a plan must keep is set by switches, words and numbers, told in lines, and undone', async () => {
  const plan = usePlan()
  const dialog = () => document.querySelector('[role="dialog"]')
  const within = <T extends Element>(selector: string, words = ''): T => {
    const found = [...(dialog()?.querySelectorAll<T>(selector) ?? [])].find((one) => one.textContent?.includes(words))
    if (!found) throw new Error(`Nothing in the dialog is ${selector} with ${words}.`)
    return found
  }
  const write = (input: HTMLInputElement, text: string): void => {
    input.value = text
    input.dispatchEvent(new Event('input'))
  }
  plan.setMethods({ ...plainMethods, levers: [{ method: 'remove-blocks', parameters: { most: 2 } }] }, plainMethods)
  await flushPromises()
  await here.button(/^Constraints/).trigger('click')
  await flushPromises()

  const drawn = () => [
    ...within('[aria-label="Levers it may draw on"]').querySelectorAll<HTMLElement>('[role="switch"]'),
  ]
  expect(drawn().map((one) => one.getAttribute('aria-checked'))).toEqual(['true', 'false', 'false', 'true'])
  drawn()[3]?.click()
  await flushPromises()
  expect(plan.constraints.only).toEqual(['bits'])
  expect(dialog()?.textContent).toContain('Draws on bits alone')
  expect(drawn()[0]?.hasAttribute('disabled')).toBe(true) // the last one stays
  expect(calls('plan.solve').at(-1)).toMatchObject({ constraints: { only: ['bits'] } })

  write(within('input[aria-label="Most predicted loss"]'), 'much')
  within<HTMLFormElement>('form:has([aria-label="Most predicted loss"])').dispatchEvent(new Event('submit'))
  await flushPromises()
  expect(within('[role="alert"]').textContent).toContain('A number above 0')
  expect(plan.constraints.maxLoss).toBeNull()
  write(within('input[aria-label="Most predicted loss"]'), '0,25')
  within<HTMLFormElement>('form:has([aria-label="Most predicted loss"])').dispatchEvent(new Event('submit'))
  await flushPromises()
  expect(plan.constraints.maxLoss).toBe(0.25)

  within<HTMLButtonElement>('button', 'Undo').click()
  within<HTMLButtonElement>('button', 'Undo').click()
  await flushPromises()
  expect(plan.constraints).toEqual(noConstraints)
  expect(drawn()[3]?.getAttribute('aria-checked')).toBe('true')
})

test('the numbers of a budget are written and read in the same units', () => {
  const budgets = [{ loss: 0.05 }, { lose: 0.02 }, { perSecond: 41 }, { memory: 8_000_000_000, context: 2048 }]
  for (const budget of budgets)
    for (const tokens of [true, false])
      for (const { shown, budgetOf } of askedFields(budget, tokens)) expect(budgetOf(shown.value)).toEqual(budget)
  const [memory, context] = askedFields(budgets[3] ?? { bits: 4 }, true)
  expect(memory?.shown).toMatchObject({ value: 8000, unit: 'MB with', decimals: 0 })
  expect(context?.budgetOf(4096)).toEqual({ memory: 8_000_000_000, context: 4096 })
  expect(askedFields({ bits: 4 }, true)).toEqual([])
})

test('a memory budget says how memory divides, as the plan that stands has it', async () => {
  const memory = () => here.wrapper.find('[data-test="memory"]')
  usePlan().setBudget({ memory: 9e6, context: 200 })
  await flushPromises()
  expect(memory().exists()).toBe(false) // what lies beside the weights is not known
  const running = { cachePerToken: 10_000, activations: 400_000, attentionPerToken: 500 }
  here.double.set('plan.follow', ({ locked }) => ({ ...follow(locked), running }))
  usePlan().lock('lm_head.weight', 'rtn-8-g32')
  await flushPromises()
  const bytes = usePlan().plan?.predicted.bytes ?? 0
  expect(memory().text()).toBe(formatBytes(bytes + 2_000_000 + 400_000 + 100_000))
  expect(here.wrapper.find('[data-test="memory-parts"]').text()).toBe(
    `weights ${formatBytes(bytes)} · cache 2.00 MB · activations 500.0 kB`,
  )
  usePlan().setBudget({ bits: 4 })
  await flushPromises()
  expect(memory().exists()).toBe(false)
})

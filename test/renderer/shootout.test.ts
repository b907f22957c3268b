import { flushPromises } from '@vue/test-utils'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { defineComponent, h } from 'vue'
import { Fault } from '../../src-preload/contract/fault.ts'
import { paretoFront, shapeOf, shootoutMarkAt, shootoutOption, hueOf } from '../../src-renderer/charts/shootout.ts'
import { chips, lineKey, shootoutChart, shootoutLines } from '../../src-renderer/features/shootout/lines.ts'
import { useProject } from '../../src-renderer/stores/project.ts'
import { useSession } from '../../src-renderer/stores/session.ts'
import { useShootoutStore } from '../../src-renderer/stores/shootout.ts'
import { methods } from './helpers/methods.ts'
import { openWindow, type Window } from './helpers/mount.ts'
import { shootoutRows } from './helpers/shootout.ts'
import { theme } from './helpers/theme.ts'

vi.mock('vue-echarts', () => ({ default: defineComponent({ name: 'VChart', setup: () => () => h('canvas') }) }))

const all = chips(methods, shootoutRows, { done: ['rtn'], hasInputs: true })
const look = { metric: 'output' as const, off: new Set<string>(), text: '' }

describe('rows and marks', () => {
  test('the front keeps what nothing beats, narrow to wide', () => {
    const mark = (x: number, y: number) => ({ x, y })
    expect(paretoFront([mark(4, 1), mark(2, 5), mark(3, 6), mark(4, 0.5), mark(5, 0.5)])).toEqual([
      mark(2, 5),
      mark(4, 0.5),
    ])
    expect(paretoFront([])).toEqual([])
  })

  test('every look differs from its neighbours, and none comes twice among thirty-two', () => {
    const looks = Array.from({ length: 32 }, (_, i) => `${hueOf(i)} ${shapeOf(i)}`)
    expect(new Set(looks).size).toBe(32)
  })

  test('chips follow the registry, and say what cannot be tried', () => {
    expect(all.map(({ id, count, isDone }) => [id, count, isDone])).toEqual([
      ['rtn', 8, true],
      ['feedback', 7, false],
      ['levels', 0, false],
    ])
    const closed = chips(methods, [], { done: [], hasInputs: false }).filter((chip) => chip.closed !== null)
    expect(closed.map(({ id }) => id)).toEqual(['feedback'])
  })

  test('lines can be searched and switched off; the front is that of what is on', () => {
    const front = (off: string[]) =>
      shootoutLines(shootoutRows, all, { ...look, off: new Set(off) }).filter(({ isOnFront }) => isOnFront)
    expect(new Set(front([]).map(({ row }) => row.method))).toEqual(new Set(['feedback']))
    expect(new Set(front(['feedback']).map(({ row }) => row.method))).toEqual(new Set(['rtn']))
    const found = shootoutLines(shootoutRows, all, { ...look, text: 'error 3 g64' })
    expect(found.map(({ title, mark, method }) => [title, mark, method])).toEqual([['3 bits', 'g64', 'Error feedback']])
    expect(shootoutLines(shootoutRows, all, { ...look, text: 'nonsense' })).toEqual([])
  })

  test('the chart has one series a quantizer and the front; what failed or is exact has no mark', () => {
    const exact = {
      ...shootoutRows[0]!,
      outputError: 0,
      bitsPerWeight: 33,
      option: { ...shootoutRows[0]!.option, id: 'exact' },
    }
    const lines = shootoutLines([...shootoutRows, exact], all, look)
    const chosen = lineKey(shootoutRows[2]!)
    const data = shootoutChart(lines, { metric: 'output', chosen, hovered: null })
    expect(data.series.map(({ id, marks }) => [id, marks.length])).toEqual([
      ['rtn', 7],
      ['feedback', 7],
    ])
    expect(shootoutMarkAt(data, 'rtn', 1)?.key).toBe(chosen)
    expect(shootoutMarkAt(data, 'front', 1)).toBeNull()
    const option = shootoutOption(data, theme) as {
      series: { id: string; data: { value: number[]; symbolSize: number; itemStyle: { color: string } }[] }[]
      yAxis: { type: string; min: number }
    }
    expect(option.yAxis.type).toBe('log')
    expect(option.yAxis.min).toBeGreaterThan(0)
    const rtn = option.series.find(({ id }) => id === 'rtn')?.data ?? []
    expect(rtn[1]?.symbolSize).toBeGreaterThan(rtn[0]?.symbolSize ?? 0)
    expect(rtn[0]?.itemStyle.color).toBe('s1')
    expect(option.series[0]?.data).toHaveLength(7)
  })
})

describe('the screen', { timeout: 20_000 }, () => {
  let here: Window
  beforeEach(async () => {
    localStorage.clear()
    here = await openWindow()
    await here.button(/^Language model/).trigger('click')
    await flushPromises()
    await here.press('9')
  })
  afterEach(() => here.wrapper.unmount())
  const calls = (channel: string) =>
    here.double.calls.filter((call) => call.channel === channel).map((call) => call.args)
  // Nothing is laid out here, so that the list draws no rows: what stands first is asked for by key.
  const firstRow = async (): Promise<string | null> => {
    await here.wrapper.find('[aria-label^="Option rows"]').trigger('keydown', { key: 'Home' })
    return useShootoutStore().chosen
  }
  const tryAll = async (): Promise<void> => {
    await here.button(/^Try 3/).trigger('click')
    await flushPromises()
    here.double.finish()
    await flushPromises()
  }

  test('a key leads there; the start tries the quantizers that are on, on the chosen layer', async () => {
    expect(useSession().step).toBe('shootout')
    expect(here.text()).toContain('Nothing tried on this layer yet')
    await here.button('Levels').trigger('click')
    await here.button(/^Try 2/).trigger('click')
    await flushPromises()
    expect(calls('shootout.start')).toEqual([
      { project: here.double.project.folder, layer: 'model.embed_tokens.weight', methods: ['rtn', 'feedback'] },
    ])
    expect(here.text()).toContain('feedback-3-g64')
    expect(here.button('Stop; keep the rows').exists()).toBe(true)
    here.double.finish()
    await flushPromises()
    expect(here.text()).toContain('15 options')
  })

  test('rows sort, the arrows choose, what failed says why, and notes are told', async () => {
    await tryAll()
    expect(here.button('All tried').attributes('disabled')).toBeDefined()
    expect(await firstRow()).toMatch(/-2-g64$/)
    await here.wrapper.find('[role="columnheader"].output button').trigger('click')
    expect(await firstRow()).toBe('feedback feedback-8-g64')
    await here.wrapper.find('[role="columnheader"].output button').trigger('click')
    expect(await firstRow()).toBe('rtn rtn-1.5-g64') // no error is known of it
    expect(here.text()).toContain('320 columns are no multiple of 256.')
    useShootoutStore().choose('feedback feedback-2-g64')
    await flushPromises()
    expect(here.text()).toContain('Damping was raised to 0.1.')
  })

  test('another layer is another shoot-out', async () => {
    await tryAll()
    useProject().chooseLayer('lm_head.weight')
    await flushPromises()
    expect(here.text()).toContain('Nothing tried on this layer yet')
    expect(calls('shootout.get').at(-1)).toMatchObject({ layer: 'lm_head.weight' })
  })

  test('without data the weight error is compared, and quantizers that look at inputs stand aside', async () => {
    here.double.push('project', { ...here.double.project, data: null })
    await flushPromises()
    expect(here.text()).toContain('Choose data')
    expect(here.button('Error feedback').attributes('aria-disabled')).toBe('true')
    await here.button(/^Try 2/).trigger('click')
    expect(calls('shootout.start').at(-1)).toMatchObject({ methods: ['rtn', 'levels'] })
  })

  test('a refusal is shown with its hint', async () => {
    here.double.set('shootout.start', () => {
      throw new Fault('conflict', 'A job of this project is at work.', { hint: 'Wait for it.' })
    })
    await here.button(/^Try 3/).trigger('click')
    await flushPromises()
    expect(here.wrapper.find('[role="alert"]').text()).toContain('Wait for it.')
  })

  test('Inspect and Plan lead there with their layer', async () => {
    await here.press('2')
    await here.button('Shoot-out on this layer').trigger('click')
    expect(useSession().step).toBe('shootout')
  })
})

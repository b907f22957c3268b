import { flushPromises } from '@vue/test-utils'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { defineComponent, h } from 'vue'
import { Fault } from '../../src-preload/contract/fault.ts'
import { cellAt, heatMapOption } from '../../src-renderer/charts/heatMap.ts'
import { scatterOption } from '../../src-renderer/charts/scatter.ts'
import { planMarkAt, planOption } from '../../src-renderer/charts/scorePlans.ts'
import { rangesOption, spectrumOption, widestFirst } from '../../src-renderer/charts/xray.ts'
import { choicesOf } from '../../src-renderer/features/scores/choices.ts'
import {
  agreements,
  chosenWidth,
  columnsOf,
  shortName,
  shortTitle,
  widthsOf,
} from '../../src-renderer/features/scores/columns.ts'
import {
  detailRows,
  firstPair,
  layerOfKey,
  partsOf,
  titleOfKey,
  writerOf,
} from '../../src-renderer/features/scores/details.ts'
import { defaultPair, pairMarks } from '../../src-renderer/features/scores/pairs.ts'
import { planChart, planLines, runsOf } from '../../src-renderer/features/scores/planLines.ts'
import { rankRows } from '../../src-renderer/features/scores/rankRows.ts'
import { energyWords, rankFor } from '../../src-renderer/features/scores/xrayWords.ts'
import { useProject } from '../../src-renderer/stores/project.ts'
import { useScoresStore } from '../../src-renderer/stores/scores.ts'
import { useSession } from '../../src-renderer/stores/session.ts'
import { emptyProject } from './helpers/double.ts'
import { methods } from './helpers/methods.ts'
import { openWindow, type Window } from './helpers/mount.ts'
import * as made from './helpers/network.ts'
import { scorePlans, scoreResult, xray } from './helpers/scores.ts'
import { theme } from './helpers/theme.ts'

vi.mock('vue-echarts', () => ({ default: defineComponent({ name: 'VChart', setup: () => () => h('canvas') }) }))

const layers = made.layers.filter(({ compressible }) => compressible)
const results = [scoreResult('heads'), scoreResult('zd'), scoreResult('lim')]
const columns = columnsOf(methods, results, layers)
const withUnit = columns.map((column) => ({ ...column, unit: '' }))

describe('columns, rows and agreement', () => {
  test('columns follow the registry; scores of blocks and heads stand on layers', () => {
    expect(columns.map(({ id, values }) => [id, values.size])).toEqual([
      ['lim', 58],
      ['zd', 56],
      ['heads', 56],
    ])
    const heads = columns[2]?.values.get('model.layers.0.self_attn.q_proj.weight')
    expect(heads).toBeCloseTo(0.2 + 0.15, 9) // mean of its block's four heads
    expect(columns[0]?.ranks.get('lm_head.weight')).toBe(1.5) // the embedding is as large
    expect(shortTitle('Layer input modification (LIM)')).toBe('LIM')
    expect(shortTitle('Signal to noise, by channel')).toBe('Signal to noise')
    expect(shortTitle('Signal-to-noise ratio of hidden states')).toBe('Signal-to-noise ratio')
  })

  test('the map sorts by any column, and what a score says nothing of stands last', () => {
    const first = (by: string, isRising: boolean) =>
      rankRows(layers, withUnit, { sort: { by, isRising }, text: '' })[0]?.layer.name
    expect(first('network', true)).toBe('model.embed_tokens.weight')
    expect(first('network', false)).toBe('lm_head.weight')
    expect(first('lim', false)).toBe('model.embed_tokens.weight')
    expect(first('lim', true)).toMatch(/[kv]_proj/)
    for (const isRising of [true, false]) {
      const rows = rankRows(layers, withUnit, { sort: { by: 'zd', isRising }, text: '' })
      expect(rows.slice(-2).map(({ cells }) => cells[1])).toEqual([null, null])
    }
    const [row] = rankRows(layers, withUnit, { sort: { by: 'lim', isRising: false }, text: 'down 3' })
    expect(row?.layer.name).toBe('model.layers.3.mlp.down_proj.weight')
    expect(row?.cells[0]?.tip).toContain('of 58')
    expect(row?.cells[0]?.heat).toBeGreaterThan(0.4)
  })

  test('a score that orders layers as measured has Spearman 1, reversed -1; blocks are held against sums', () => {
    const widths = widthsOf(made.options)
    expect(widths.map(({ bits }) => bits)).toEqual([2, 3, 4, 5, 6, 7, 8])
    const width = chosenWidth(widths, null)
    expect(width?.bits).toBe(3)
    expect(chosenWidth(widths, 5)?.bits).toBe(5)
    const losses = width?.losses ?? new Map<string, number>()
    const like = (sign: number) => ({
      ...scoreResult('lim'),
      values: layers.map(({ name }) => ({ key: name, value: sign * (losses.get(name) ?? 0) })),
    })
    const block = new Map<string, number>()
    for (const { name, block: at } of layers)
      if (at !== null) block.set(`${at}`, (block.get(`${at}`) ?? 0) + (losses.get(name) ?? 0))
    const byBlock = { ...scoreResult('zd'), values: [...block].map(([key, value]) => ({ key, value })) }
    const rho = (list: Parameters<typeof columnsOf>[1]) => agreements(columnsOf(methods, list, layers), losses, layers)
    expect(rho([like(1), byBlock]).map(({ rho: r, unit, count }) => [r?.toFixed(6), unit, count])).toEqual([
      ['1.000000', 'layer', 58],
      ['1.000000', 'block', 8],
    ])
    expect(rho([like(-1)])[0]?.rho).toBeCloseTo(-1, 9)
  })

  test('pairs default to the first score against the measured loss, else the next score', () => {
    const loss = { ...withUnit[0]!, id: 'sensitivity' }
    const none = { x: null, y: null }
    expect(defaultPair([loss, ...withUnit], none)).toMatchObject({ x: { id: 'lim' }, y: { id: 'sensitivity' } })
    expect(defaultPair(withUnit, none)).toMatchObject({ x: { id: 'lim' }, y: { id: 'zd' } })
    expect(pairMarks(defaultPair(withUnit, none))).toHaveLength(56)
    expect(defaultPair([], none)).toEqual({ x: null, y: null })
  })

  test('choices say why a score cannot be measured', () => {
    const of = (hasData: boolean, hasGraph = true) =>
      choicesOf(methods, [scoreResult('zd')], {
        hasData,
        hasGraph,
        parameters: {},
        notices: ['Head composition was left out: no heads.'],
      })
    expect(of(true).map(({ closed }) => closed)).toEqual([null, null, null])
    expect(of(false).map(({ id, closed }) => [id, closed !== null])).toEqual([
      ['lim', true],
      ['zd', false],
      ['heads', true],
    ])
    expect(of(true, false)[0]?.closed).toContain('tensors only')
    expect(of(true)[1]?.told).toContain('8 blocks')
    expect(of(true).map(({ isDone, leftOut }) => [isDone, leftOut])).toEqual([
      [false, null],
      [true, null],
      [true, 'no heads.'],
    ])
  })

  test('details name blocks, heads and channels, with their parts', () => {
    const heads = scoreResult('heads')
    expect(partsOf(heads)).toEqual(['entropy', 'rank'])
    const rows = detailRows(heads, 'value')
    expect(rows[0]?.value).toBe(Math.max(...heads.values.map(({ value }) => value)))
    expect(detailRows(heads, 'order')[5]).toMatchObject({ title: 'Block 1, head 1', parts: [2, 3] })
    expect(layerOfKey(heads, '1/1', layers)).toBe('model.layers.1.self_attn.q_proj.weight')
    expect(layerOfKey({ per: 'layer' }, 'lm_head.weight', layers)).toBe('lm_head.weight')
    expect(titleOfKey({ per: 'expert' }, '2/7')).toBe('Block 2, expert 7')
    expect(shortName('model.layers.0.q_proj.weight, channel 3')).toBe('layers.0.q_proj, channel 3')
  })

  test('counts are written as counts, and figures that differ are drawn first', () => {
    const values = [9, 1504].map((tokens, at) => ({
      key: `0/${at}`,
      value: 1,
      parts: { bias: 0, ratio: at + 0.5, tokens },
    }))
    expect(values.map(({ parts }) => writerOf({ values }, 'tokens')(parts.tokens))).toEqual(['9', '1,504'])
    expect(writerOf({ values }, 'ratio')(0.5)).toBe('0.500')
    expect(writerOf({ values }, 'tokens')(null)).toBe('–')
    expect(firstPair({ values })).toEqual(['ratio', 'tokens'])
    expect(firstPair({ values: values.slice(0, 1) })).toEqual(['bias', 'ratio'])
  })
})

describe('plans', () => {
  const plans = scorePlans(['lim', 'zd'], [{ bits: 3 }, { bits: 4 }])
  const lines = planLines(plans, columns)

  test('are ordered by how far they are from the best, and each plan is run once', () => {
    expect(lines.map(({ id, judged }) => [id, judged?.toFixed(3)])).toEqual([
      ['sensitivity', '1.000'],
      ['lim', '1.200'],
      ['zd', '1.400'],
      ['error', '1.500'],
      ['uniform', '2.400'],
    ])
    const [lim, zd] = [lines[1]!, lines[2]!]
    expect(runsOf([lim, lim, zd])).toHaveLength(4)
    const done = { ...lim, points: lim.points.map((point) => ({ ...point, measured: point.judged })) }
    expect(runsOf([done])).toEqual([])
    expect(planLines(null, columns)).toEqual([])
    const guessed = planLines(plans, columns, false).find(({ look }) => look === 'sensitivity')
    expect(guessed?.title).toBe('Guessed losses themselves')
  })

  test('judged marks are hollow, measured ones filled; the others step back behind what is ticked', () => {
    const [lim] = plans.rows
    if (lim?.points[0]) lim.points[0].measured = { loss: 0.5, low: 0.4, high: 0.6 }
    const data = planChart(planLines(plans, columns), (id) => id === 'lim')
    const option = planOption(data, theme) as unknown as {
      series: { id: string; data: number[][]; itemStyle: { color: string; opacity?: number } }[]
    }
    const find = (id: string) => option.series.find((series) => series.id === id)
    expect(find('lim judged')?.itemStyle.color).toBe('surface')
    expect(find('lim measured')).toMatchObject({ data: [[lim?.points[0]?.bytes, 0.5]], itemStyle: { color: 's1' } })
    expect(find('zd judged')?.itemStyle.opacity).toBeLessThan(1)
    expect(find('sensitivity judged')?.itemStyle.opacity).toBe(1)
    expect(planMarkAt(data, 'lim measured', 0)?.mark.y).toBe(0.5)
    expect(planMarkAt(data, 'nothing judged', 0)).toBeNull()
  })
})

describe('charts', () => {
  test('a map of both signs goes away from zero either way, of one sign from the surface', () => {
    const write = String
    const option = (values: number[]) =>
      heatMapOption({ rows: ['a', 'b'], cols: ['c'], values, write }, theme) as unknown as {
        visualMap: { min: number; max: number; inRange: { color: string[] } }
      }
    expect(option([-1, 4]).visualMap).toMatchObject({ min: -4, max: 4 })
    expect(option([1, 4]).visualMap.inRange.color).toEqual(['surface', 'measured'])
    expect(cellAt({ rows: ['a', 'b'], cols: ['c'], values: [1, 4], write }, 1)).toEqual({
      row: 'b',
      col: 'c',
      value: 4,
    })
  })

  test('a scatter is logarithmic only where a linear one would be a heap', () => {
    const marks = (factor: number) => [0, 1, 2, 3].map((i) => ({ key: `${i}`, x: factor ** i, y: i - 1 }))
    const type = (factor: number) =>
      (
        scatterOption({ marks: marks(factor), chosen: '1', x: '', y: '', write: String }, theme) as {
          xAxis: { type: string }
        }
      ).xAxis.type
    expect([type(1.5), type(10)]).toEqual(['value', 'log'])
  })

  test('spectrum and ranges draw what there is, widest channel first', () => {
    const seen = xray('a', true)
    const spectrum = spectrumOption(seen.spectrum!, theme) as { series: { data: number[][] }[] }
    expect(spectrum.series[1]?.data.at(-1)?.[1]).toBeCloseTo(1, 9)
    expect(widestFirst(seen.inputs!)).toEqual([1, 0])
    const ranges = rangesOption(seen.inputs!, theme) as { series: { data: number[][] }[] }
    expect(ranges.series[0]?.data[0]?.slice(0, 3)).toEqual([0, -8, 9])
    expect(rankFor({ energy: [0.5, 0.95, 1] }, 0.9)).toBe(2)
    expect(energyWords(seen.spectrum!)).toMatch(/^90 % of the energy in \d+ of 64, 99 % in \d+; effective rank 6$/)
  })
})

describe('the screen', { timeout: 20_000 }, () => {
  let here: Window
  beforeEach(async () => {
    localStorage.clear()
    here = await openWindow()
    await here.button(/^Language model/).trigger('click')
    await flushPromises()
    await here.press('s')
  })
  afterEach(() => here.wrapper.unmount())
  const calls = (channel: string) =>
    here.double.calls.filter((call) => call.channel === channel).map((call) => call.args)
  const measureAll = async (): Promise<void> => {
    await here.button(/^Measure 3$/).trigger('click')
    await flushPromises()
    here.double.finish()
    await flushPromises()
  }
  const view = async (title: string): Promise<void> => {
    await here.button(title).trigger('click')
    await flushPromises()
  }

  test('a key leads there; ticked scores are measured in one job, with their parameters', async () => {
    expect(useSession().step).toBe('scores')
    expect(here.text()).toContain('How heads read what earlier heads wrote.')
    await here.wrapper.find('#score-zd').setValue(false)
    useScoresStore().setParameters('heads', { tokens: 32 })
    await flushPromises()
    await here.button('Measure 2').trigger('click')
    await flushPromises()
    expect(calls('score.start')).toEqual([
      {
        project: here.double.project.folder,
        uses: [
          { method: 'lim', parameters: {} },
          { method: 'heads', parameters: { tokens: 32 } },
        ],
      },
    ])
    expect(here.button('Stop; keep what is there').exists()).toBe(true)
    here.double.finish()
    await flushPromises()
    expect(here.text()).toContain('Measured on 8 samples')
    expect(here.text()).toContain('2 measured')
  })

  test('without data scores that look at it are disabled and say so', async () => {
    here.double.push('project', { ...emptyProject() })
    await flushPromises()
    expect(here.wrapper.find('#score-lim').attributes('disabled')).toBeDefined()
    expect(here.wrapper.find('#score-zd').attributes('disabled')).toBeUndefined()
    expect(here.text()).toContain('It looks at attention: choose data first.')
    await here.button('Measure 1').trigger('click')
    expect(calls('score.start').at(-1)).toMatchObject({ uses: [{ method: 'zd' }] })
  })

  test('the map sorts by column, the arrows choose a layer, Enter opens its X-ray', async () => {
    await measureAll()
    await view('Ranks')
    await here.wrapper.find('[role="columnheader"] button[aria-label="Layer input modification"]').trigger('click')
    expect(useScoresStore().sort).toEqual({ by: 'lim', isRising: false })
    const body = here.wrapper.find('[aria-label^="Rank rows"]')
    await body.trigger('keydown', { key: 'End' })
    expect(useProject().layer).toMatch(/[kv]_proj/)
    await body.trigger('keydown', { key: 'Enter' })
    await flushPromises()
    expect(useScoresStore().view).toBe('xray')
    expect(calls('layer.xray').at(-1)).toMatchObject({ layer: useProject().layer })
    expect(here.text()).toContain('effective rank 6')
    expect(here.text()).toContain('Scores of this layer')
  })

  test('an X-ray is asked for once, and a fault is shown in its place', async () => {
    await view('X-ray')
    const asked = calls('layer.xray').length
    await view('Choose')
    await view('X-ray')
    expect(calls('layer.xray')).toHaveLength(asked)
    here.double.set('layer.xray', () => {
      throw new Fault('bad-input', 'Layer x: weight [0, 1] is NaN.', { hint: 'Keep this layer as it is.' })
    })
    useProject().chooseLayer('lm_head.weight')
    await flushPromises()
    expect(here.wrapper.find('[role="alert"]').text()).toContain('Keep this layer as it is.')
  })

  test('agreement ranks scores against the measured loss, and any two can be drawn', async () => {
    await measureAll()
    await view('Agreement')
    const titles = here.wrapper.findAll('.bars tbody th').map((one) => one.text())
    expect([...titles].sort()).toEqual(['Head composition', 'Layer input modification', 'Z-score distribution'])
    const before = here.wrapper.find('[data-test="rho"]').text()
    useScoresStore().setPair({ x: 'zd', y: 'heads' })
    await flushPromises()
    expect(here.wrapper.find('[data-test="rho"]').text()).not.toBe(before)
  })

  test('plans are made at the chosen budgets, and ticked ones are run one after the other', async () => {
    await measureAll()
    await view('Plans')
    expect(calls('score.plans').at(-1)).toMatchObject({ methods: ['lim', 'zd', 'heads'], weighing: 'rank' })
    expect(here.text()).toContain('Guessed losses themselves') // nothing was measured on this model
    await here.button('By value').trigger('click')
    await here.button('2.5').trigger('click')
    await flushPromises()
    const asked = calls('score.plans').at(-1) as { budgets: unknown[] }
    expect(asked).toMatchObject({ weighing: 'value' })
    expect(asked.budgets).toHaveLength(3)
    await here.wrapper.find('[aria-label="Measure the plans made with Z-score distribution"]').setValue(true)
    await here.button('Run and measure 6 plans').trigger('click')
    await flushPromises()
    expect(calls('run.start').map((args) => (args as { name: string }).name)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^Z-score distribution, [\d.]+ bits$/)]),
    )
    expect(here.button(/^Stop 6 runs/).exists()).toBe(true)
  })

  test('details show maps, parts and notes of one score', async () => {
    await measureAll()
    useScoresStore().setDetail('heads')
    await view('Details')
    expect(here.text()).toContain('Block 7 has no attention.')
    expect(here.text()).toContain('Composition')
    expect(here.text()).toContain('entropy')
  })

  test('a refusal is shown with its hint; another project starts afresh', async () => {
    here.double.set('score.start', () => {
      throw new Fault('conflict', 'A job of this project is at work.', { hint: 'Wait for it.' })
    })
    await here.button(/^Measure 3$/).trigger('click')
    await flushPromises()
    expect(here.wrapper.find('[role="alert"]').text()).toContain('Wait for it.')
    useScoresStore().toggle('zd')
    useProject().open({ ...emptyProject(), folder: '/elsewhere' })
    await flushPromises()
    expect(useScoresStore().off.size).toBe(0)
  })
})

import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { type ChannelName, channels, events, type Result } from '../../src-preload/contract/channels.ts'
import { plainMethods, type Recipe } from '../../src-preload/contract/plan.ts'
import { badArguments } from './bad-arguments.ts'
import { chattyFolder, sha256Of } from './fixtures.ts'
import { checkpoint, data, openContract } from './house.ts'

// Every channel, on the vision sample, through the one dispatcher that all doors use: a good call whose result fits its
// schema, a bad argument, a stranger. What is refused with reasons: refusals.test.ts.
const { home, project, picked, finished, snapshots, invoke, call, settled, completes, close } = await openContract()
afterAll(close)
let recipe: Recipe
let variant = ''
let conversion = ''
let layer = ''
let imported = ''
const begin = async (): Promise<string> => (await call('sensitivity.start', { project, samples: 300 })).job // lasts

interface Case {
  good: () => unknown // arguments, made when its turn comes
  check?: (result: never) => unknown
}

// In this order: later channels use what earlier ones made.
const cases: { [N in ChannelName]: Case & { check?: (result: Result<N>) => unknown } } = {
  'app.info': {
    good: () => ({}),
    check: (info) => expect(info).toMatchObject({ home, door: 'cli' }),
  },
  'device.list': {
    good: () => ({}),
    check: (devices) => expect(devices.find(({ id }) => id === 'cpu')?.available).toBe(true),
  },
  'machine.rates': {
    good: () => ({ measure: true }),
    check: (rates) => {
      expect(rates?.gflops).toBeGreaterThan(0)
      expect(rates?.weightsPerSecond).toBeGreaterThan(0)
    },
  },
  'method.list': {
    good: () => ({}),
    check: (methods) =>
      expect(methods.map(({ family }) => family)).toEqual(
        expect.arrayContaining(['score', 'quantize', 'allocate', 'evaluate', 'export']),
      ),
  },
  'files.list': {
    good: () => ({ folder: join(checkpoint, '..') }),
    check: ({ entries }) => expect(entries.find(({ path }) => path === checkpoint)?.openable).toBe(true),
  },
  'files.pick': {
    good: () => ({ purpose: 'checkpoint' }),
    check: (choice) => {
      expect(choice).toEqual({ supported: true, path: '/chosen' })
      expect(picked).toContain('checkpoint')
    },
  },
  'files.reveal': {
    good: () => ({ path: checkpoint }),
    check: () => expect(picked).toContain(checkpoint),
  },
  'checkpoint.inspect': {
    good: () => ({ path: checkpoint }),
    check: ({ format, layers }) => expect([format, layers.length > 10]).toEqual(['onnx', true]),
  },
  'checkpoint.histogram': {
    good: async () => {
      const { layers } = await call('checkpoint.inspect', { path: checkpoint })
      layer = layers.find(({ compressible }) => compressible)?.name ?? ''
      return { path: checkpoint, layer, bins: 16 }
    },
    check: ({ counts, edges }) => {
      expect(edges).toHaveLength(17)
      expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(100)
    },
  },
  'checkpoint.documents': {
    good: () => ({ path: join(checkpoint, '../../language') }),
    check: ({ config, tokenizer }) => {
      expect(config).toContain('"model_type": "llama"')
      expect(tokenizer).toMatchObject({ kind: 'BPE' })
      expect(tokenizer?.entries).toBeGreaterThan(100)
    },
  },
  'checkpoint.chat': {
    good: () => ({ path: chattyFolder(home), messages: [{ role: 'user', content: 'hello' }] }),
    check: ({ text, tokens }) => expect([text, (tokens ?? 0) > 2]).toEqual(['[user] hello', true]),
  },
  'data.describe': {
    good: () => ({ path: data, checkpoint }),
    check: ({ calibrate, evaluate }) => expect([calibrate > 0, evaluate > 0]).toEqual([true, true]),
  },
  'project.create': {
    good: () => ({ checkpoint, folder: join(home, 'another') }),
    check: ({ folder, data: none }) => expect([folder, none]).toEqual([join(home, 'another'), null]),
  },
  'project.createSample': {
    good: () => ({ sample: 'vision' }),
    check: ({ data: some }) => expect(some?.kind).toBe('image-classification'),
  },
  'project.open': {
    good: () => ({ folder: project }),
    check: ({ folder }) => expect(folder).toBe(project),
  },
  'project.get': { good: () => ({ project }) },
  'project.recent': {
    good: () => ({}),
    check: (recent) => expect(recent.map(({ folder }) => folder)).toContain(project),
  },
  'project.forget': {
    good: () => ({ folder: join(home, 'another') }),
    check: () => expect(existsSync(join(home, 'another'))).toBe(true),
  },
  'project.setDevice': { good: () => ({ project, device: 'cpu' }) },
  'project.setFormat': {
    good: () => ({ project, format: 'onnx-folded' }),
    check: async ({ format }) => {
      expect(format).toBe('onnx-folded')
      expect((await call('project.setFormat', { project, format: 'onnx' })).format).toBe('onnx')
    },
  },
  'project.setMethods': {
    good: () => ({ project, methods: plainMethods }),
    check: ({ methods }) => expect(methods).toEqual(plainMethods),
  },
  'project.setData': {
    good: () => ({ project, path: data }),
    check: ({ data: some }) => expect(some?.evaluate).toBeGreaterThan(0),
  },
  'score.start': { good: () => ({ project, uses: [{ method: 'zd' }] }), check: completes },
  'score.get': {
    good: () => ({ project, method: 'zd' }),
    check: (score) => expect(score?.values.length).toBeGreaterThan(0),
  },
  'score.plans': {
    good: () => ({ project, methods: ['zd'], budgets: [{ bits: 4 }] }),
    check: ({ rows }) => expect(rows.map(({ basis }) => basis)).toEqual(['score', 'error', 'sensitivity', 'uniform']),
  },
  'layer.xray': {
    good: () => ({ project, layer }),
    check: (seen) => expect([seen.layer, seen.rows.count > 0]).toEqual([layer, true]),
  },
  'sensitivity.start': {
    good: () => ({ project, samples: 8 }),
    check: completes,
  },
  'plan.preflight': {
    good: () => ({ project, job: { kind: 'front', budgets: [{ bits: 4 }] } }),
    check: ({ memory, disk, time, fits }) => {
      expect(memory.peakBytes).toBeGreaterThan(1e6)
      expect(disk.freeBytes).toBeGreaterThan(0)
      expect(time.lowSeconds).toBeLessThan(time.highSeconds)
      expect(fits).toBe(true)
    },
  },
  'shootout.start': {
    good: () => ({ project, layer, methods: ['rtn'] }),
    check: completes,
  },
  'shootout.get': {
    good: () => ({ project, layer }),
    check: ({ rows, done }) => {
      expect([done, rows.length > 6, rows.filter(({ fault }) => fault !== null)]).toEqual([['rtn'], true, []])
      expect(rows.every(({ outputError, bitsPerWeight }) => outputError !== null && bitsPerWeight !== null)).toBe(true)
    },
  },
  'option.list': {
    good: () => ({ project }),
    check: (layers) =>
      expect(layers.every(({ options }) => options.every(({ loss }) => loss !== null && loss >= 0))).toBe(true),
  },
  'plan.solve': {
    good: () => ({ project, budget: { bits: 4 } }),
    check: (plan) => {
      recipe = plan.recipe
      expect(plan.predicted.bytes).toBeLessThanOrEqual(plan.budgetBytes)
      expect(plan.layers.length).toBe(recipe.layers.length)
    },
  },
  'plan.follow': {
    good: () => ({ project, locked: { [layer]: 'keep' } }),
    check: ({ ids, walks: [walk], scale, predict }) => {
      const at = walk?.layers.indexOf(layer) ?? -1
      expect(ids[walk?.start[at] ?? -1]).toBe('keep')
      expect(walk?.group.some((group) => walk.groups[group]?.includes(at))).toBe(false)
      expect(walk?.bytes.every((bytes) => bytes > 0)).toBe(true)
      expect(scale.length).toBeGreaterThan(6)
      expect(predict.length).toBeGreaterThan(5)
    },
  },
  'run.start': {
    good: () => ({ project, recipe, name: 'four' }),
    check: async (started) => {
      await completes(started)
      const { variants, evaluations } = await call('project.get', { project })
      variant = variants[0]?.id ?? ''
      expect(variants[0]).toMatchObject({ name: 'four', uniform: false })
      expect(evaluations.map((evaluation) => evaluation.variant)).toEqual([null, variant])
    },
  },
  'variant.pin': {
    good: () => ({ project, variant, pinned: true }),
    check: ({ variants }) => expect(variants[0]?.pinned).toBe(true),
  },
  'variant.rename': {
    good: () => ({ project, variant, name: 'renamed' }),
    check: ({ variants }) => expect(variants[0]?.name).toBe('renamed'),
  },
  'variant.recipe': {
    good: () => ({ project, variant }),
    check: (found) => expect(found).toEqual(recipe),
  },
  'evaluate.start': { good: () => ({ project, variant }), check: completes },
  'front.suggest': {
    good: () => ({ project, points: 2 }),
    check: ({ points, seconds, left }) => {
      expect([points.length, left]).toEqual([2, 0])
      expect(points.every((point) => point.why !== '' && point.bytes > 0 && point.seconds >= 0)).toBe(true)
      expect(seconds).toBeGreaterThanOrEqual(points.reduce((sum, point) => sum + point.seconds, 0))
    },
  },
  'floor.start': {
    good: () => ({ project, lose: 0.2 }),
    check: completes,
  },
  'front.start': {
    good: () => ({ project, budgets: [{ bits: 3 }] }),
    check: completes,
  },
  'front.compare': {
    good: async () => ({ project: (await call('project.create', { checkpoint, data })).folder, folder: project }),
    check: ({ points, notices, checkpoint: of }) => {
      expect([points.length > 2, notices]).toEqual([true, []]) // same network, same data
      expect(of).toMatch(/^[0-9a-f]{64}$/)
    },
  },
  'front.import': {
    good: () => {
      writeFileSync(join(home, 'other.csv'), 'label,bytes,klDivergence\nother tool 4 bits,90000,0.02\n')
      return { project, path: join(home, 'other.csv') }
    },
    check: (front) => {
      imported = front.id
      expect(front.points[0]).toMatchObject({ label: 'other tool 4 bits', metrics: { klDivergence: { value: 0.02 } } })
    },
  },
  'front.export': {
    good: () => ({ project, as: 'html' }),
    check: ({ name, type, text }) => {
      expect([name.endsWith('-front.html'), type]).toEqual([true, 'text/html'])
      expect(text).toContain('other tool 4 bits')
    },
  },
  'front.forget': {
    good: () => ({ project, id: imported }),
    check: async () => expect((await call('front.get', { project })).imported).toEqual([]),
  },
  'front.get': {
    good: () => ({ project }),
    check: ({ measured, predicted, calibration }) => {
      const kinds = measured.map(({ kind }) => kind)
      expect(kinds).toEqual(expect.arrayContaining(['original', 'planned', 'uniform']))
      expect(predicted.length).toBeGreaterThan(5)
      expect(calibration.points).toBe(kinds.length - 1)
    },
  },
  'export.start': {
    good: () => ({ project, variant, path: join(home, 'out.onnx') }),
    check: async (started) => {
      await completes(started)
      const { exports } = await call('project.get', { project })
      expect(exports[0]?.files[0]?.path).toBe(join(home, 'out.onnx'))
      const { bytes = 0 } = exports[0]?.files[0] ?? {}
      expect(Math.abs(bytes / (exports[0]?.plannedBytes ?? 0) - 1)).toBeLessThan(0.02)
    },
  },
  'importance.start': {
    good: () => ({ project, path: join(home, 'imatrix.gguf') }),
    check: async (started) => {
      await completes(started)
      expect(readFileSync(join(home, 'imatrix.gguf')).toString('latin1', 0, 4)).toBe('GGUF')
    },
  },
  'convert.plan': {
    good: () => ({ checkpoint, format: 'onnx', parameters: { type: 'int4' } }),
    check: ({ layers, bytes }) => {
      expect(layers.every(({ bits }) => bits === 4)).toBe(true)
      expect(bytes).toBeLessThan(statSync(checkpoint).size / 4)
    },
  },
  'convert.start': {
    good: () => ({ checkpoint, format: 'onnx', parameters: { type: 'int8' }, path: join(home, 'eight.onnx') }),
    check: async (started) => {
      await completes(started)
      conversion = started.job
    },
  },
  'convert.get': {
    good: () => ({ job: conversion }),
    check: ({ files, plannedBytes, format }) => {
      const [file] = files
      expect([format, file?.path]).toEqual(['onnx', join(home, 'eight.onnx')])
      expect(file?.sha256).toBe(sha256Of(join(home, 'eight.onnx')))
      expect(Math.abs((file?.bytes ?? 0) / plannedBytes - 1)).toBeLessThan(0.02)
    },
  },
  'variant.remove': {
    good: () => ({ project, variant }),
    check: ({ variants, evaluations }) => {
      expect(variants.map(({ id }) => id)).not.toContain(variant)
      expect(evaluations.map((evaluation) => evaluation.variant)).not.toContain(variant)
    },
  },
  'job.list': {
    good: () => ({}),
    check: (jobs) => expect(jobs.map(({ id }) => id)).toEqual([...finished]),
  },
  'job.cancel': {
    good: async () => ({ job: await begin() }),
    check: async () => expect((await call('job.list', {})).at(-1)?.state).toBe('cancelled'),
  },
  'job.resume': {
    good: async () => ({ job: (await call('job.list', {})).at(-1)?.id }),
    check: async () => {
      const { id = '' } = (await call('job.list', {})).at(-1) ?? {}
      expect((await settled(id)).state).toBe('done')
    },
  },
  'job.dismiss': {
    good: async () => ({ job: (await call('job.list', {})).at(-1)?.id }),
    check: async () => expect((await call('job.list', {})).length).toBe(finished.size - 1),
  },
}

const names = Object.keys(cases) as ChannelName[]

test('the table names every channel of the contract', () => {
  expect([...names].sort()).toEqual(Object.keys(channels).sort())
})

test.each(names)(
  '%s: a good call',
  async (name) => {
    const result = await call(name, await cases[name].good())
    expect(channels[name].result.safeParse(result).error).toBeUndefined()
    await cases[name].check?.(result as never)
  },
  120_000,
)

test.each(names)('%s: a bad argument', async (name) => {
  expect(await invoke(name, badArguments[name])).toMatchObject({ ok: false, fault: { code: 'bad-arguments' } })
})

test.each(names)('%s: a stranger', async (name) => {
  expect(await invoke(name, {}, false)).toMatchObject({ ok: false, fault: { code: 'forbidden' } })
})

test('events are whole snapshots that fit their schemas', () => {
  expect(new Set(snapshots.map(({ event }) => event))).toEqual(new Set(['jobs', 'project']))
  for (const { event, snapshot } of snapshots)
    expect(events[event as keyof typeof events].safeParse(snapshot).error).toBeUndefined()
})

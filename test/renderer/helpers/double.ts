import { methodsSchema } from '../../../src-preload/contract/plan.ts'
import {
  type ChannelName,
  channels,
  type ParsedArguments,
  type Result,
} from '../../../src-preload/contract/channels.ts'
import type { Transport } from '../../../src-preload/contract/client.ts'
import { Fault, toFault } from '../../../src-preload/contract/fault.ts'
import type { Job, JobKind } from '../../../src-preload/contract/job.ts'
import type { Project } from '../../../src-preload/contract/project.ts'
import type { MeasuredPoint } from '../../../src-preload/contract/results.ts'
import { frontAnswers } from './front.ts'
import { methods } from './methods.ts'
import * as made from './network.ts'
import { scorePlans, scoreResult, xray } from './scores.ts'
import { createTried } from './shootout.ts'

type Answers = { [N in ChannelName]: (args: ParsedArguments<N>) => Result<N> | Promise<Result<N>> }

export interface Double extends Transport {
  readonly calls: { channel: string; args: unknown }[]
  push(event: 'jobs' | 'project' | 'open', snapshot: unknown): void
  readonly project: Project
  /** Replaces one answer. */
  set<N extends ChannelName>(channel: N, answer: Answers[N]): void
  /** Ends the oldest live job, with what it makes. */
  finish(): void
  jobs: Job[]
}

export const { emptyProject } = made
const { folder } = made

/** Lathe in memory: answers every channel from the made-up network; jobs end when the test says so. */
export function createDouble(start: Project = emptyProject()): Double {
  const calls: Double['calls'] = []
  const listeners = new Map<string, Set<(snapshot: unknown) => void>>()
  let project = start
  let lastId = 0
  const double: Partial<Double> & { jobs: Job[] } = { jobs: [] }
  const pending = new Map<string, () => void>()
  const tried = createTried()
  const push = (event: string, snapshot: unknown): void => {
    for (const listener of listeners.get(event) ?? []) listener(snapshot)
  }
  function change(next: Partial<Project>): Project {
    project = { ...project, ...next }
    push('project', project)
    return project
  }
  function begin(kind: JobKind, title: string, step: string, done: (id: string) => void): { job: string } {
    const id = `job-${++lastId}`
    const job: Job = {
      id,
      project: folder,
      kind,
      title,
      state: 'running',
      unitsDone: 21,
      unitsTotal: 58,
      progress: 21 / 58,
      step,
      elapsedMs: 8200,
      remainingMs: 14_400,
      notices: [],
      fault: null,
      result: null,
    }
    double.jobs = [...double.jobs, job]
    pending.set(id, () => done(id))
    push('jobs', double.jobs)
    return { job: id }
  }
  function setJob(id: string, next: Partial<Job>): void {
    double.jobs = double.jobs.map((job) => (job.id === id ? { ...job, ...next } : job))
    push('jobs', double.jobs)
  }
  function judge(variant: string | null, loss: number, bytes: number): void {
    const metric = (value: number, spread: number) => ({ value, low: value - spread, high: value + spread })
    const metrics = {
      perplexity: metric(30.4995 * Math.exp(loss * 0.8), 0.42),
      crossEntropy: metric(3.4177 + loss * 0.8, 0.014),
      ...(variant === null
        ? {}
        : {
            klDivergence: { value: loss, low: loss * 0.95, high: loss * 1.06 },
            agreement: metric(Math.exp(-2.2 * Math.sqrt(loss)), 0.006),
            logPerplexityRatio: metric(loss * 0.8, loss * 0.05),
          }),
    }
    const id = `evaluation-${++lastId}`
    const evaluation = {
      id,
      variant,
      samples: 178,
      predictions: 44_492,
      metrics,
      bytes,
      seconds: 3.4,
      samplesPerSecond: 52.3,
      device: 'cpu',
      data: made.data.fingerprint,
      part: 'evaluate' as const,
      notices: [],
    }
    change({ evaluations: [...project.evaluations, evaluation] })
  }
  function makeVariant(name: string, plan: ReturnType<typeof made.solve>, uniform: boolean): void {
    const id = `variant-${++lastId}`
    const variant = {
      id,
      name,
      recipeId: id,
      format: project.format ?? 'onnx',
      bytes: plan.predicted.bytes,
      averageBits: plan.predicted.averageBits,
      predictedLoss: plan.predicted.loss,
      uniform,
      pinned: false,
      createdAt: '2026-01-02T10:00:00.000Z',
    }
    change({ variants: [...project.variants, variant] })
    judge(id, plan.predicted.loss * (uniform ? 1.12 : 1.06), plan.predicted.bytes)
  }
  const original = (): void => {
    if (!project.evaluations.some((one) => one.variant === null)) judge(null, 0, made.checkpoint.bytes)
  }
  const measured = (): MeasuredPoint[] =>
    project.evaluations.map((evaluation) => {
      const variant = project.variants.find((one) => one.id === evaluation.variant)
      const loss = evaluation.metrics.klDivergence ?? { value: 0, low: 0, high: 0 }
      return {
        variant: evaluation.variant,
        format: variant?.format ?? null,
        label: variant?.name ?? 'Original',
        kind: variant ? (variant.uniform ? 'uniform' : 'planned') : 'original',
        bytes: evaluation.bytes,
        averageBits: variant?.averageBits ?? 32,
        loss: loss.value,
        lossLow: loss.low ?? loss.value,
        lossHigh: loss.high ?? loss.value,
        predictedLoss: variant?.predictedLoss ?? null,
        metrics: evaluation.metrics,
        pinned: variant?.pinned ?? false,
        ...{ seconds: 1 / evaluation.samplesPerSecond, fileSeconds: null, memory: made.memoryOf(evaluation.bytes) },
        ...{ predictedMemory: made.memoryOf(evaluation.bytes), predictedSeconds: null },
      }
    })

  const answers: Answers = {
    'app.info': () => ({ version: '0.1.0', platform: 'linux', home: '/home/someone', door: 'web' }),
    'device.list': () => made.devices,
    'machine.rates': () => null,
    'method.list': () => methods,
    'files.list': ({ folder: asked }) => ({
      folder: asked ?? '/home/someone',
      parent: asked === '/' ? null : '/home',
      entries: [
        { name: 'models', path: '/home/someone/models', kind: 'folder', bytes: 0, openable: false },
        { name: 'novels-5m', path: '/home/someone/novels-5m', kind: 'folder', bytes: 0, openable: true },
        { name: 'notes.txt', path: '/home/someone/notes.txt', kind: 'file', bytes: 1200, openable: false },
        { name: 'resnet32.onnx', path: '/home/someone/resnet32.onnx', kind: 'file', bytes: 1_870_000, openable: true },
      ],
      truncated: false,
    }),
    'files.pick': () => ({ supported: false, path: null }),
    'files.reveal': () => ({ supported: false }),
    'checkpoint.inspect': () => made.checkpoint,
    'checkpoint.histogram': ({ layer, bins }) => {
      const edges = Array.from({ length: bins + 1 }, (_, i) => -0.4 + (0.8 * i) / bins)
      const counts = edges.slice(1).map((edge) => Math.round(4000 * Math.exp(-((edge - 0.006) ** 2) / 0.012)))
      return {
        layer,
        edges,
        counts,
        min: -0.4,
        max: 0.4,
        mean: 0.0011,
        standardDeviation: 0.0774,
        zeros: 12,
        nonFinite: 0,
      }
    },
    'checkpoint.documents': () => ({
      config: '{\n  "model_type": "llama"\n}',
      tokenizer: { kind: 'BPE', entries: 2048, special: 3 },
      chatTemplate: '{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}',
    }),
    'checkpoint.chat': ({ messages }) => ({
      text: messages.map(({ role, content }) => `<|${role}|>${content}`).join(''),
      tokens: 31,
    }),
    'data.describe': () => made.data,
    'project.recent': () => [
      {
        folder,
        name: 'novels-5m',
        checkpoint: '/models/novels-5m',
        openedAt: '2026-01-02T09:00:00.000Z',
        exists: true,
      },
      {
        folder: '/home/someone/lathe/resnet32',
        name: 'resnet32',
        checkpoint: '/models/cifar10/resnet32.onnx',
        openedAt: '2025-12-20T09:00:00.000Z',
        exists: true,
      },
      {
        folder: '/mnt/stick/vit',
        name: 'vit-tiny',
        checkpoint: '/mnt/stick/vit_tiny_cifar10.onnx',
        openedAt: '2025-11-02T09:00:00.000Z',
        exists: false,
      },
    ],
    'project.create': () => project,
    'project.createSample': () => change({ data: made.data }),
    'project.open': () => project,
    'project.get': () => project,
    'project.forget': () => ({}),
    'project.setDevice': ({ device }) => change({ device }),
    'project.setFormat': ({ format }) => change({ format }),
    'project.setMethods': ({ methods }) => change({ methods: methodsSchema.parse(methods) }),
    'project.setData': ({ path }) => {
      if (path?.includes('missing'))
        throw new Fault('not-found', 'There is no data at this path.', {
          hint: 'Check the spelling.',
          data: { file: path },
        })
      return change({ data: path === null ? null : made.data })
    },
    'score.start': ({ uses }) =>
      begin('score', uses.length === 1 ? 'Score layers' : `${uses.length} scores`, 'model.layers.2', () => {
        const found = uses.map(({ method }) => scoreResult(method))
        const kept = project.scores.filter(({ method }) => !found.some((one) => one.method === method))
        change({ scores: [...kept, ...found] })
      }),
    'score.get': ({ method }) => project.scores.find((score) => score.method === method) ?? null,
    'score.plans': ({ methods: asked, budgets }) => scorePlans(asked, budgets as { bits: number }[]),
    'layer.xray': ({ layer }) => xray(layer, project.data !== null),
    'sensitivity.start': () =>
      begin('sensitivity', 'Measure sensitivity', 'model.layers.2.mlp.up_proj.weight at 3 bits', () =>
        change({
          sensitivity: {
            measured: 406,
            total: 406,
            samples: 8,
            source: 'measured one layer at a time on 8 windows of 256 tokens',
          },
        }),
      ),
    'shootout.start': ({ layer, methods: asked }) =>
      begin('shootout', `Shoot-out on ${layer}`, 'feedback-3-g64', () => tried.add(layer, asked)),
    'shootout.get': ({ layer }) => tried.of(layer),
    'option.list': () => made.options,
    'plan.solve': ({ budget, uniform, locked, allocator }) =>
      made.chosenBy(allocator, budget, made.solve(budget, locked, uniform)),
    'run.start': ({ recipe, name }) =>
      begin('run', name ?? 'Run', 'model.layers.3.self_attn.q_proj.weight', () => {
        original()
        const bits = recipe.layers[0]?.option.bits ?? 4
        const locked = Object.fromEntries(recipe.layers.map((row) => [row.name, row.option.id]))
        makeVariant(name ?? `Planned ${bits}`, made.solve({ bits: 8 }, locked), false)
      }),
    'variant.pin': ({ variant, pinned }) =>
      change({ variants: project.variants.map((one) => (one.id === variant ? { ...one, pinned } : one)) }),
    'variant.rename': ({ variant, name }) =>
      change({ variants: project.variants.map((one) => (one.id === variant ? { ...one, name } : one)) }),
    'variant.remove': ({ variant }) =>
      change({
        variants: project.variants.filter((one) => one.id !== variant),
        evaluations: project.evaluations.filter((one) => one.variant !== variant),
      }),
    'variant.recipe': () => made.solve({ bits: 4 }, {}).recipe,
    'evaluate.start': ({ variant }) =>
      begin('evaluate', 'Evaluate', 'window 31', () => judge(variant, 0.01, made.checkpoint.bytes)),
    ...frontAnswers(measured, () => push('project', project)),
    'front.start': ({ budgets, uniform }) =>
      begin('front', `Measure ${budgets.length} points of the front`, 'model.layers.5.mlp.down_proj.weight', () => {
        original()
        for (const budget of budgets) {
          const plan = made.solve(budget, {})
          makeVariant(`Planned ${plan.predicted.averageBits.toFixed(2)} bits`, plan, false)
          if (uniform && 'bits' in budget)
            makeVariant(`Uniform ${budget.bits} bits`, made.solve(budget, {}, true), true)
        }
      }),
    'floor.start': ({ lose }) =>
      begin('floor', `Find the smallest that loses at most ${100 * lose} %`, 'step 3 of at most 10', (id) => {
        original()
        for (const bits of [3, 5]) makeVariant(`Planned ${bits} bits`, made.solve({ bits }, {}), false)
        setJob(id, { result: project.variants.at(-1)?.id ?? null })
      }),
    'export.start': ({ variant, path }) =>
      begin('export', 'Export', 'verifying', () => {
        const bytes = project.variants.find((one) => one.id === variant)?.bytes ?? 0
        change({
          exports: [
            ...project.exports,
            {
              id: `export-${++lastId}`,
              variant,
              format: 'onnx',
              folder: '/home/someone/lathe/novels-5m/exports',
              files: [{ path, bytes, sha256: 'b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c' }],
              verified: [
                'Reopened in a fresh session on CPU, 4 windows run',
                'Largest difference to the variant’s logits 1.9e-6 (allowed 1e-3)',
                'Same top answer on 1,020 of 1,020 tokens',
              ],
              plannedBytes: bytes,
            },
          ],
        })
      }),
    'convert.plan': ({ parameters }) => {
      const bits =
        { float32: 32, keep: 32, F16: 16, int8: 8, Q8_0: 8.5, int4: 4, Q4_K: 4.5 }[String(parameters.type)] ?? 32
      const layers = made.layers.filter((row) => row.compressible)
      const rows = layers.map(({ name, parameters: weights }) => ({
        name,
        option: bits === 32 ? 'keep' : `to-${bits}`,
        method: bits === 32 ? 'keep' : 'rtn',
        bits,
        bytes: (weights * bits) / 8,
      }))
      return { weighs: bits < 16, bytes: 24_000 + rows.reduce((sum, row) => sum + row.bytes, 0), layers: rows }
    },
    'convert.start': ({ format }) =>
      begin('convert', `Convert novels-5m to ${format}`, 'model.layers.3.mlp.up_proj.weight', () => undefined),
    'convert.get': () => ({
      format: 'gguf',
      folder: '/home/someone/models',
      files: [
        {
          path: '/home/someone/models/novels-5m-Q4_K.gguf',
          bytes: 3_100_000,
          sha256: 'b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c',
        },
      ],
      verified: ['Reopened: 58 tensors, each as it was meant'],
      plannedBytes: 3_100_000,
    }),
    'importance.start': () => begin('importance', 'Measure importance', 'window 3', () => undefined),
    'job.list': () => double.jobs,
    'job.cancel': ({ job }) => (setJob(job, { state: 'cancelled' }), {}),
    'job.resume': ({ job }) => (setJob(job, { state: 'running' }), {}),
    'job.dismiss': ({ job }) => {
      double.jobs = double.jobs.filter((one) => one.id !== job)
      push('jobs', double.jobs)
      return {}
    },
  }

  return Object.assign(double, {
    calls,
    push,
    get project() {
      return project
    },
    set<N extends ChannelName>(channel: N, answer: Answers[N]) {
      answers[channel] = answer as (typeof answers)[N]
    },
    finish() {
      const job = double.jobs.find((one) => one.state === 'running')
      if (!job) return
      pending.get(job.id)?.()
      setJob(job.id, { state: 'done', progress: 1, unitsDone: job.unitsTotal, remainingMs: 0 })
    },
    async invoke(channel: string, args: unknown) {
      calls.push({ channel, args })
      try {
        const name = channel as ChannelName
        const parsed = channels[name].args.parse(args ?? {})
        const answer = answers[name] as (args: unknown) => unknown
        return { ok: true as const, result: structuredClone(await answer(parsed)) }
      } catch (error) {
        return { ok: false as const, fault: toFault(error).toShape() }
      }
    },
    subscribe(event: string, listener: (snapshot: unknown) => void) {
      const all = listeners.get(event) ?? new Set()
      listeners.set(event, all.add(listener))
      return () => void all.delete(listener)
    },
  }) as Double
}

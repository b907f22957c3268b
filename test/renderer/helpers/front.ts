import type { ChannelName, ParsedArguments, Result } from '../../../src-preload/contract/channels.ts'
import type { Follow } from '../../../src-preload/contract/follow.ts'
import type { Preflight } from '../../../src-preload/contract/preflight.ts'
import type { Front, ImportedFront, MeasuredPoint } from '../../../src-preload/contract/results.ts'
import * as made from './network.ts'

/** The walk along the made-up network: from 2 bits everywhere, always the step that saves most loss per byte. */
export function follow(locked: Readonly<Record<string, string>>): Follow {
  const ids = [...new Set(made.options.flatMap(({ options }) => options.map(({ id }) => id)))]
  const lists = made.options.map(({ name, options }) =>
    name in locked ? options.filter(({ id }) => id === locked[name]) : options,
  )
  const steps = lists.flatMap((list, group) =>
    list.slice(1).map((option, i) => {
      const before = list[i]
      const bytes = option.bytes - (before?.bytes ?? 0)
      const loss = (option.loss ?? 0) - (before?.loss ?? 0)
      return { group, option: ids.indexOf(option.id), bytes, loss }
    }),
  )
  steps.sort((a, b) => a.loss / a.bytes - b.loss / b.bytes)
  const startLosses = lists.map(([first]) => first?.loss ?? 0)
  const startLoss = startLosses.reduce((a, b) => a + b, 0)
  return {
    ids,
    walks: [
      {
        ...{ removed: [], baseBytes: made.baseBytes, baseLoss: 0, layers: made.options.map(({ name }) => name) },
        start: lists.map(([first]) => ids.indexOf(first?.id ?? '')),
        groups: lists.map((_, i) => [i]),
        startLosses,
        startBytes: lists.reduce((sum, [first]) => sum + (first?.bytes ?? 0), 0),
        startLoss,
        group: steps.map(({ group }) => group),
        option: steps.map(({ option }) => option),
        bytes: steps.map(({ bytes }) => bytes),
        loss: steps.map(({ loss }) => loss),
      },
    ],
    scale: [2, 3, 4, 5, 6, 7, 8, 32].map((bits) => ({ bits, bytes: made.uniformBytes(bits) })),
    baseBytes: made.baseBytes,
    predict: [1e-6, 1e-3, startLoss].map((sum) => ({ sum, loss: sum, low: sum * 0.8, high: sum * 1.28 })),
    source: 'measured one layer at a time on 8 windows of 256 tokens',
  }
}

export const preflight: Preflight = {
  memory: { peakBytes: 3.1e8, availableBytes: 8e9, fits: true, reason: 'weights 21 MB x 2 + programs 0.3 GB' },
  disk: { bytes: 2.6e6, freeBytes: 4e10, fits: true, reason: 'the layers of 1 variant: 2.6 MB, of 40 GB free' },
  time: {
    seconds: 9,
    lowSeconds: 6,
    highSeconds: 14,
    from: 'timed in this project: compressing layers (58 times), evaluating (twice)',
  },
  done: 0,
  fits: true,
  alternatives: [],
  notices: [],
}

const point = (plan: ReturnType<typeof made.solve>) => made.frontPoint(plan)

type Channels =
  | 'front.get'
  | 'front.suggest'
  | 'front.compare'
  | 'front.import'
  | 'front.forget'
  | 'front.export'
  | 'plan.follow'
  | 'plan.preflight'
type Answers = { [N in ChannelName]: (args: ParsedArguments<N>) => Result<N> }

/** What a double answers about its front. `measured` is asked at every call. */
export function frontAnswers(measured: () => MeasuredPoint[], changed: () => void): Pick<Answers, Channels> {
  let imported: ImportedFront[] = []
  const keep = (title: string, from: string, notices: string[]): ImportedFront => {
    const front: ImportedFront = {
      ...{ id: `imported-${imported.length + 1}`, title, from, checkpoint: null, data: null, notices },
      addedAt: '2026-01-02T10:00:00.000Z',
      points: [3, 4, 6].map((bits) => {
        const { bytes, loss } = point(made.solve({ bits }, {}, true))
        return {
          ...{ label: `${title} ${bits} bits`, bytes: bytes * 1.04, averageBits: bits, kind: 'planned' as const },
          metrics: { klDivergence: { value: loss * 1.3, low: null, high: null } },
        }
      }),
    }
    imported = [...imported, front]
    changed()
    return front
  }
  const get = (): Front => {
    const judged = measured()
    return {
      predicted: Array.from({ length: 49 }, (_, i) => point(made.solve({ bits: 2 + i / 8 }, {}))),
      measured: judged,
      uniform: [2, 3, 4, 5, 6, 7, 8].map((bits) => point(made.solve({ bits }, {}, true))),
      curves: (['bits', 'sparsity'] as const).map((lever, n) => ({
        lever,
        points: Array.from({ length: 13 }, (_, i) => {
          const at = point(made.solve({ bits: 2 + i / 2 }, {}))
          return { ...at, loss: at.loss * (1.2 + 2 * n) }
        }),
      })),
      imported,
      calibration: { factor: 1.06, spearman: 0.98, points: judged.filter(({ kind }) => kind !== 'original').length },
      source: 'measured one layer at a time on 8 windows of 256 tokens',
      memorySource: 'Files were run in a process of their own: 1.30 x the file + 22.0 MB.',
    }
  }
  return {
    'front.get': get,
    'front.suggest': ({ points, minutes }) => {
      const all = Array.from({ length: points }, (_, i) => ({
        ...point(made.solve({ bits: 2.5 + i / 2 }, {})),
        ...{ seconds: 9, why: i === 0 ? 'the curve bends here' : 'nothing is measured near it' },
      }))
      const found = minutes === null ? all : all.slice(0, Math.floor((minutes * 60) / 9))
      const from = 'this project: 58 layers compressed, 2 evaluations'
      const seconds = 9 * found.length
      return { points: found, seconds, secondsOfOriginal: 0, from, left: all.length - found.length }
    },
    'front.compare': ({ folder }) => keep(folder.split('/').at(-1) ?? '', folder, ['Another checkpoint.']),
    'front.import': ({ path }) => keep((path.split('/').at(-1) ?? '').replace(/\.\w+$/, ''), path, []),
    'front.forget': ({ id }) => {
      imported = imported.filter((one) => one.id !== id)
      changed()
      return {}
    },
    'front.export': ({ as }) => ({ name: `novels-5m-front.${as}`, type: 'text/plain', text: '<svg/>' }),
    'plan.follow': ({ locked }) => follow(locked),
    'plan.preflight': () => preflight,
  }
}

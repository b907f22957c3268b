import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { ScoreMap, ScoreUnit, ScoreValue } from '../../../src-preload/contract/methods.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import type { Network } from '../checkpoint/network.ts'
import type { Batch, Dataset } from '../data/types.ts'
import type { MethodBase } from '../method.ts'
import type { TaskContext } from '../protocol.ts'
import type { TensorValue } from '../runtime/types.ts'

/** Where scores that run the network themselves do so: swapped weights, left out blocks, thresholds in the graph. */
export interface Bench {
  network: Network
  dataset: Dataset | null // null only for scores that look at weights alone
  samples: number // calibration samples of the pass
  device: DeviceId
  seed: number // of scores that draw
  context: TaskContext // tells progress as a share of this score alone
}

export interface Finding {
  values: ScoreValue[]
  maps?: ScoreMap[]
  notes?: string[]
}

/** Gathers one network's score. `see` gets the asked values of one batch; scores that ask for none never see any. */
export interface ScoreRun {
  see(values: Readonly<Record<string, TensorValue>>, batch: Batch): void
  finish(bench: Bench): Finding | Promise<Finding>
}

/** One way to tell how much a block, a layer, or a part of one matters. */
export interface Score<P extends z.ZodObject = z.ZodObject> extends MethodBase<P> {
  family: 'score'
  per(network: Network): ScoreUnit
  /** Graph values it wants from calibration data, so that one pass serves all chosen scores. Empty: none. Faults
   *  'unsupported' where the network has no such values. */
  values(network: Network, parameters: z.output<P>): string[]
  start(network: Network, parameters: z.output<P>): ScoreRun
}

/** A score with its parameters checked at the door. */
export function defineScore<P extends z.ZodObject>(score: Omit<Score<P>, 'family'>): Score<P> {
  const parse = (parameters: unknown): z.output<P> => {
    const parsed = score.params.safeParse(parameters)
    if (parsed.success) return parsed.data
    throw new Fault('bad-arguments', `${score.title}: ${z.prettifyError(parsed.error)}`, { data: { field: score.id } })
  }
  return {
    ...score,
    family: 'score',
    values: (network, parameters) => score.values(network, parse(parameters)),
    start: (network, parameters) => score.start(network, parse(parameters)),
  }
}

/** What is told of a score that does not fit the network, while others go on. Messages that begin with its title say it once. */
export const leftOutWords = (title: string, message: string): string =>
  `${title} was left out: ${message.startsWith(`${title}: `) ? message.slice(title.length + 2) : message}`

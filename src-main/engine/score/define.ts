import type { z } from 'zod'
import type { Network } from '../checkpoint/network.ts'
import type { MethodBase } from '../method.ts'
import type { TensorValue } from '../runtime/types.ts'

/** Importance by key (layer name, or block index as text); higher = matters more. */
export type ScoreValue = { key: string; value: number }

/** Gathers one network's score. `see` gets the asked values of one batch; weights-only scores never see any. */
export interface ScoreRun {
  see(values: Record<string, TensorValue>): void
  finish(progress: (fraction: number, step: string) => void): ScoreValue[]
}

/** One way to tell how much a block or a layer matters. */
export interface Score<P extends z.ZodObject = z.ZodObject> extends MethodBase<P> {
  family: 'score'
  per(network: Network): 'block' | 'layer'
  /** Graph values it wants from calibration data, so that one pass serves all chosen scores. Empty: weights only.
   *  Faults 'unsupported' where the network has no such values. */
  values(network: Network): string[]
  start(network: Network): ScoreRun
}

export const defineScore = <P extends z.ZodObject>(score: Score<P>): Score<P> => score

// Moves factors over the seams of a network: writers are divided by them, readers multiplied.
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Network } from '../checkpoint/network.ts'
import { Rewriting, type Runnable } from './rewriting.ts'
import type { Seam, Side } from './seams.ts'
import { axisOf } from './tensors.ts'

/** Factors [seam.channels] of a seam, all positive. */
export type Factors = ReadonlyMap<string, Float32Array>

/** The network with these factors moved; seams without any stay as they are. */
export function scaleSeams(network: Runnable, seams: readonly Seam[], factors: Factors): Network {
  const rewriting = new Rewriting(network)
  moveFactors(rewriting, seams, factors)
  return rewriting.finish()
}

export function moveFactors(rewriting: Rewriting, seams: readonly Seam[], factors: Factors): void {
  for (const seam of seams) {
    const s = factors.get(seam.name)
    if (!s) continue
    check(seam, s)
    const inverse = s.map((value) => 1 / value)
    for (const writer of seam.writers) scaleSide(rewriting, writer, inverse)
    for (const reader of seam.readers) scaleSide(rewriting, reader, s)
  }
}

function check({ name, channels }: Seam, s: Float32Array): void {
  if (s.length === channels && s.every((value) => value > 0 && Number.isFinite(value) && Number.isFinite(1 / value)))
    return
  throw new Fault('bad-input', `${name}: the factors of its channels do not fit.`, {
    hint: 'Measure again: they belong to another network, or the activations were not finite.',
    data: { tensor: name, expected: `${channels} positive numbers`, found: `${s.length} numbers` },
  })
}

function scaleSide(rewriting: Rewriting, { tensor, axis, plus, channels }: Side, s: Float32Array): void {
  const along = axisOf(rewriting.shape(tensor), axis)
  const factors = channels ? Float32Array.from(channels, (channel) => (channel < 0 ? 1 : (s[channel] ?? 1))) : s
  if (plus !== 0) rewriting.step(tensor, { kind: 'add', values: () => Float32Array.of(plus) })
  rewriting.step(tensor, { kind: 'scale', axis: along, factors: () => factors })
  if (plus !== 0) rewriting.step(tensor, { kind: 'add', values: () => Float32Array.of(-plus) })
}

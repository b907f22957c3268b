import { createHash } from 'node:crypto'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Network } from '../checkpoint/network.ts'
import type { Prepared } from '../protocol.ts'
import type { Preparation } from './define.ts'
import { readMeasured } from './measured.ts'
import { preparations } from './registry.ts'

export function preparationOf(id: string): Preparation {
  const found = preparations.find((method) => method.id === id)
  if (found) return found
  throw new Fault('bad-arguments', `There is no preparation "${id}".`, {
    hint: `Known: ${preparations.map((method) => method.id).join(', ')}.`,
    data: { field: 'prepare', found: id },
  })
}

/** The network after rewritings, in order. Its fingerprint tells what was done to it. */
export function prepareNetwork(network: Network, uses: readonly Prepared[]): Network {
  return uses.reduce((current, { method, parameters, seed, file }) => {
    const measured = file === null ? null : readMeasured(file)
    const made = preparationOf(method).apply(current, parameters, { seed, measured })
    const told = JSON.stringify([current.fingerprint, method, parameters, seed, file?.split(/[\\/]/).at(-1) ?? null])
    return { ...made, fingerprint: createHash('sha256').update(told).digest('hex') }
  }, network)
}

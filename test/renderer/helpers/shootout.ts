import type { Shootout, ShootoutRow } from '../../../src-preload/contract/shootout.ts'
import { methods } from './methods.ts'

const row = (method: string, bits: number, output: number, more: Partial<ShootoutRow> = {}): ShootoutRow => ({
  option: {
    id: `${method}-${bits}-g64`,
    method,
    bits,
    parameters: { granularity: 'group', groupSize: 64, symmetric: true },
  },
  method,
  prepared: [],
  bytes: Math.round((bits + 0.25) * 9000),
  bitsPerWeight: bits + 0.25,
  weightError: output * 0.8,
  outputError: output,
  seconds: 0.02 * bits,
  source: 'output error over 4096 rows of 16 evaluation samples',
  notes: [],
  fault: null,
  ...more,
})

const failed: Partial<ShootoutRow> = {
  bytes: null,
  bitsPerWeight: null,
  weightError: null,
  outputError: null,
  fault: { code: 'unsupported', message: '320 columns are no multiple of 256.', hint: 'Choose another type.' },
}

/** Rounding to nearest at seven widths, error feedback a third better, and one option that cannot be. */
export const shootoutRows: ShootoutRow[] = [2, 3, 4, 5, 6, 7, 8].flatMap((bits) => [
  row('rtn', bits, 3 * 4 ** -bits),
  row('feedback', bits, 2 * 4 ** -bits, bits === 2 ? { notes: ['Damping was raised to 0.1.'] } : {}),
])
shootoutRows.push(row('rtn', 1.5, 1, failed))

/** What was tried on each layer: the rows of the quantizers asked for (null: all). */
export function createTried() {
  const tried = new Map<string, string[]>()
  return {
    add(layer: string, asked: readonly string[] | null): void {
      const all = methods.flatMap(({ id, family }) => (family === 'quantize' ? [id] : []))
      tried.set(layer, [...(tried.get(layer) ?? []), ...(asked ?? all)])
    },
    of(layer: string): Shootout {
      const done = tried.get(layer) ?? []
      return { layer, rows: shootoutRows.filter(({ method }) => done.includes(method)), done }
    },
  }
}

// How fast this machine is, measured at first use and kept: of the machine in Lathe's own folder, of a network in its project.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { Handlers } from '../../src-preload/contract/server.ts'
import { ratesSchema } from '../../src-preload/contract/preflight.ts'
import { readProbe, saveProbe } from '../store/probes.ts'
import { type AppContext, ask } from './context.ts'
import { sampleActivations } from './footprint.ts'
import { checkpointPath, dataReference, type OpenProject, type Subject } from './projects.ts'

export type MachineRates = z.infer<typeof ratesSchema>

/** What rates hold for. */
const machine = (): string =>
  `${cpus()[0]?.model.trim() ?? 'unknown processor'} x ${process.env.LATHE_THREADS ?? cpus().length}, Node ${process.version}`

const fileOf = (home: string): string => join(home, 'rates.json')

const daysSchema = z.object({ days: z.array(ratesSchema) })
const mostDays = 7

/** One probe a day at most, the newest first; those of other machines teach nothing here. */
function keptDays(home: string): MachineRates[] {
  try {
    const { days } = daysSchema.parse(JSON.parse(readFileSync(fileOf(home), 'utf8')))
    return days.filter((day) => day.machine === machine())
  } catch {
    return []
  }
}

/** Other programs only slow a probe down, so of several each best figure counts, and a probe beside heavy work does not spoil
 *  later estimates; only of the last days, for a machine that has become slower for good must not be believed fast for ever. */
const bestOf = ([newest, ...older]: readonly MachineRates[]): MachineRates | null =>
  newest === undefined
    ? null
    : older.reduce(
        (best, day) => ({
          ...best,
          gflops: Math.max(best.gflops, day.gflops),
          weightsPerSecond: Math.max(best.weightsPerSecond, day.weightsPerSecond),
          openMs: Math.min(best.openMs, day.openMs),
        }),
        newest,
      )

const dayOf = ({ at }: { at: string }): string => at.slice(0, 10)

function keep(home: string, days: MachineRates[]): void {
  try {
    mkdirSync(home, { recursive: true, mode: 0o700 })
    const partial = `${fileOf(home)}.partial-${process.pid}`
    writeFileSync(partial, JSON.stringify({ days }, null, 2))
    renameSync(partial, fileOf(home))
  } catch {
    // What cannot be kept is measured again.
  }
}

const asked = new WeakMap<AppContext, Promise<MachineRates | null>>()

/** Measured at the first call of a day on this machine, in about a second; the best figures of the last days. null where
 *  nothing was measured and even that fails. */
export function machineRates(context: AppContext, again = false): Promise<MachineRates | null> {
  const known = again ? undefined : asked.get(context)
  if (known) return known
  const measure = async (): Promise<MachineRates | null> => {
    const kept = keptDays(context.home)
    const at = new Date().toISOString()
    const isToday = (day: MachineRates): boolean => dayOf(day) === dayOf({ at })
    if (!again && kept[0] && isToday(kept[0])) return bestOf(kept)
    try {
      const now = { ...(await ask(context, 'rates', {})), machine: machine(), at }
      const today = bestOf([now, ...kept.filter(isToday)]) ?? now
      const days = [today, ...kept.filter((day) => !isToday(day))].slice(0, mostDays)
      keep(context.home, days)
      return bestOf(days)
    } catch {
      return bestOf(kept)
    }
  }
  const promise = measure()
  asked.set(context, promise)
  return promise
}

export const ratesHandlers = (context: AppContext): Pick<Handlers, 'machine.rates'> => ({
  'machine.rates': ({ measure }) => (measure ? machineRates(context, true) : bestOf(keptDays(context.home))),
})

const networkSchema = z.object({ perSampleMs: z.number(), fixedMs: z.number(), samples: z.number().int() })
export type NetworkPace = z.infer<typeof networkSchema> & { isRun: boolean }

const keptSchema = z.object({ found: networkSchema.nullable() })
const mostProbeMs = 15_000
const batches = 3 // that the probe runs
const ofPeak = 0.5 // of the machine's speed in large products that a network reaches, as a rule

/** Of the project's network on its data and device: a few samples are run at the first call. A network for which even these
 *  take long is estimated from the machine's speed instead. */
export async function networkPace(
  context: AppContext,
  project: OpenProject,
  subject: Subject,
  rates: MachineRates | null,
): Promise<NetworkPace | null> {
  const data = dataReference(project, subject)
  const sample = sampleActivations(subject)
  if (data === null || sample === null) return null
  const { device } = subject.row
  const place = {
    checkpoint: subject.row.checkpoint,
    data: subject.data,
    kind: 'network-pace',
    key: device,
    version: 1,
  }
  const kept = readProbe(project.store.read, place, keptSchema)
  if (kept?.found) return { ...kept.found, isRun: true }
  const { parameters } = subject.checkpoint.summary
  const expectedMs = rates ? (2 * parameters * sample.positions) / 1e6 / (ofPeak * rates.gflops) : null
  const guess =
    expectedMs === null ? null : { perSampleMs: expectedMs, fixedMs: rates?.openMs ?? 0, samples: 0, isRun: false }
  const batch = subject.dataSet?.summary.kind === 'text' ? 8 : 64
  if (kept || (expectedMs ?? 0) * batch * batches > mostProbeMs) return guess
  try {
    const found = await ask(context, 'pace', { checkpoint: checkpointPath(project, subject), data, device })
    saveProbe(project.store.write, { ...place, value: { found } })
    return found ? { ...found, isRun: true } : guess
  } catch {
    return guess
  }
}

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

/** As kept; null where nothing was measured on this machine, or the file is not ours. */
function keptRates(home: string): MachineRates | null {
  try {
    const kept = ratesSchema.parse(JSON.parse(readFileSync(fileOf(home), 'utf8')))
    return kept.machine === machine() ? kept : null
  } catch {
    return null
  }
}

function keep(home: string, rates: MachineRates): void {
  try {
    mkdirSync(home, { recursive: true, mode: 0o700 })
    const partial = `${fileOf(home)}.partial-${process.pid}`
    writeFileSync(partial, JSON.stringify(rates, null, 2))
    renameSync(partial, fileOf(home))
  } catch {
    // What cannot be kept is measured again.
  }
}

const asked = new WeakMap<AppContext, Promise<MachineRates | null>>()

/** Measured at the first call on this machine, in about a second; null where even that fails. */
export function machineRates(context: AppContext, again = false): Promise<MachineRates | null> {
  const known = again ? undefined : asked.get(context)
  if (known) return known
  const measure = async (): Promise<MachineRates | null> => {
    const kept = again ? null : keptRates(context.home)
    if (kept) return kept
    try {
      const rates = { ...(await ask(context, 'rates', {})), machine: machine(), at: new Date().toISOString() }
      keep(context.home, rates)
      return rates
    } catch {
      return null
    }
  }
  const promise = measure()
  asked.set(context, promise)
  return promise
}

export const ratesHandlers = (context: AppContext): Pick<Handlers, 'machine.rates'> => ({
  'machine.rates': ({ measure }) => (measure ? machineRates(context, true) : keptRates(context.home)),
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

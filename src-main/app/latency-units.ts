// Seconds of the layers on this machine, by device, operator shape and form of the weight: measured once, whatever is planned.
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Option } from '../../src-preload/contract/plan.ts'
import type { DeviceId } from '../../src-preload/contract/project.ts'
import { floatForm, formName } from '../engine/latency/names.ts'
import type { Unit } from '../jobs/work.ts'
import { readProbe, readProbes, saveProbe } from '../store/probes.ts'
import { transaction } from '../store/query.ts'
import type { OpenProject, Subject } from './projects.ts'
import type { Measurement } from './sensitivity.ts'

const timingSchema = z.object({
  device: z.string(),
  shape: z.string(),
  form: z.string(),
  seconds: z.number(),
  low: z.number(), // 95 % interval of the median
  high: z.number(),
  runs: z.number().int(),
})
const wholeSchema = timingSchema.omit({ shape: true, form: true })

const timings = (checkpoint: string) => ({ checkpoint, data: '', kind: 'latency', version: 1 })
const shapes = (checkpoint: string) => ({ checkpoint, data: '', kind: 'latency-shape', version: 1 })
const wholes = (checkpoint: string, device: DeviceId) => ({
  ...{ checkpoint, data: '', kind: 'latency-whole', version: 1 },
  key: device,
})
const keyOf = (device: DeviceId, shape: string, form: string): string =>
  createHash('sha256')
    .update(JSON.stringify([device, shape, form]))
    .digest('hex')

export interface Seconds {
  /** The network's time less that of its layers, each timed by itself; 0 where it was not measured. Below zero where calling
   *  every layer by itself costs more than what lies between them: the network as it is then still takes what it was seen to
   *  take, and an option the difference of its form. */
  base: number
  /** Of one sample: an image, or one token of a text. null where it was not measured. */
  of(layer: string, option: Pick<Option, 'id' | 'method'>): number | null
}

/** Measured seconds of a format's options on the project's device. */
export function readSeconds(project: OpenProject, subject: Subject, format: string): Seconds {
  const { checkpoint, device } = subject.row
  const db = project.store.read
  const known = new Map(
    [...readProbes(db, timings(checkpoint), timingSchema).values()]
      .filter((timing) => timing.device === device)
      .map((timing) => [`${timing.shape} ${timing.form}`, timing.seconds]),
  )
  const shapeOf = readProbes(db, shapes(checkpoint), z.string())
  const lookups = new Set(
    subject.checkpoint.summary.layers.flatMap(({ name, role }) => (role === 'embed' ? [name] : [])),
  )
  const whole = readProbe(db, wholes(checkpoint, device), wholeSchema)
  const floats = [...shapeOf.values()].reduce((sum, shape) => sum + (known.get(`${shape} ${floatForm}`) ?? 0), 0)
  return {
    base: whole && shapeOf.size > 0 ? whole.seconds - floats : 0,
    of(layer, option) {
      const shape = shapeOf.get(layer)
      // A lookup is part of the network's own time in any form; without it no network that has one could be planned by time.
      if (shape === undefined) return whole && lookups.has(layer) ? 0 : null
      return known.get(`${shape} ${formName(format, option)}`) ?? null
    },
  }
}

/** The same of one option; for many of them take `readSeconds` once. */
export const secondsOf = (
  project: OpenProject,
  subject: Subject,
  format: string,
  layer: string,
  option: Pick<Option, 'id' | 'method'>,
): number | null => readSeconds(project, subject, format).of(layer, option)

/** One unit: most layers share their shapes with others. None where nothing can be run. */
export function latencyUnits(project: OpenProject, measurement: Measurement, format: string): Unit[] {
  const { subject, checkpoint, reference, layers } = measurement
  if (reference === null) return []
  const { device, checkpoint: fingerprint } = subject.row
  const { store } = project
  const known = () =>
    [...readProbes(store.read, timings(fingerprint), timingSchema).values()].filter((each) => each.device === device)
  // What could not be timed is not tried again and again: the step that tried it is remembered by what it was asked for.
  const told = createHash('sha256')
    .update(
      JSON.stringify([
        device,
        layers.map(({ name, options }) => [name, options.map((each) => formName(format, each))]),
      ]),
    )
    .digest('hex')
  const tried = { checkpoint: fingerprint, data: '', kind: 'latency-tried', version: 1, key: told }
  return [
    {
      key: `latency-${told}`,
      kind: 'latency',
      step: `seconds of each shape and form on the ${device}`,
      weight: new Set(layers.flatMap(({ options }) => options.map((option) => formName(format, option)))).size * 6,
      isDone: () => readProbe(store.read, tried, z.boolean()) !== null,
      async run({ engine, hooks }) {
        const task = {
          ...{ checkpoint, data: reference, format, device, layers },
          known: known().map(({ shape, form }) => `${shape} ${form}`),
          whole: readProbe(store.read, wholes(fingerprint, device), wholeSchema) === null,
        }
        const result = await engine.run('latency', task, hooks)
        transaction(store.write, () => {
          for (const timing of result.times) {
            const key = keyOf(device, timing.shape, timing.form)
            saveProbe(store.write, { ...timings(fingerprint), key, value: { device, ...timing } })
          }
          for (const { layer, shape } of result.shapes)
            saveProbe(store.write, { ...shapes(fingerprint), key: layer, value: shape })
          if (result.whole)
            saveProbe(store.write, { ...wholes(fingerprint, device), value: { device, ...result.whole } })
          saveProbe(store.write, { ...tried, value: true })
        })
      },
    },
  ]
}

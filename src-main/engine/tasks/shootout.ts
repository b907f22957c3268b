import type { ShootoutRow } from '../../../src-preload/contract/shootout.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { weightingOf } from '../calibrate/choose.ts'
import { weightRows } from '../checkpoint/weights.ts'
import type { TaskContext, Tasks } from '../protocol.ts'
import { contestantsOf } from '../shootout/contestants.ts'
import { layerInputs } from '../shootout/inputs.ts'
import { measureOption } from '../shootout/measure.ts'
import { fittingPreparations } from '../shootout/prepared.ts'
import { cachedDataset, cachedNetwork, layerOf } from './cache.ts'

const inputShare = 0.2 // of the task, where inputs have to be gathered

/** Every option of the asked quantizers on one layer, one after the other; each row leaves as soon as it is known. */
export async function shootout(
  args: Tasks['shootout']['args'],
  context: TaskContext,
): Promise<Tasks['shootout']['result']> {
  const { checkpoint, data, samples, seed, device } = args
  const { uses, titles, notes } = fittingPreparations(cachedNetwork(checkpoint), args.prepared)
  for (const note of notes) context.notify(note)
  const network = cachedNetwork(checkpoint, uses)
  const layer = layerOf(network, args.layer)
  if (!layer.compressible)
    throw new Fault('unsupported', `${layer.name} is not compressed by any method: too small, or no matrix.`, {
      data: { file: network.path, tensor: layer.name },
    })
  const dataset = data === null ? null : await cachedDataset(checkpoint, data)
  const share = dataset ? inputShare : 0
  const wanted = dataset && { network, dataset, layer, samples, device }
  const inputs =
    wanted &&
    (await layerInputs(wanted, {
      ...context,
      progress: ({ fraction, step }) => context.progress({ fraction: fraction * share, step }),
    }))
  const arena = { layer, source: weightRows(network, layer), inputs, prepared: titles, notes, seed, device }
  const skip = new Set(args.skip)
  const todo = contestantsOf(layer, args.methods, inputs !== null).filter(({ option }) => !skip.has(option.id))
  const rows: ShootoutRow[] = []
  for (const contestant of todo) {
    const { quantizer, option } = contestant
    const step = `${quantizer.title}: ${option.id}`
    const fraction = (): number => share + ((1 - share) * rows.length) / todo.length
    const say = (words: string): void => context.progress({ fraction: fraction(), step: words })
    say(step)
    const weighting = inputs && weightingOf(option, layer.name)
    const own =
      wanted && weighting
        ? await layerInputs({ ...wanted, weighting }, { ...context, progress: (update) => say(update.step) })
        : inputs
    const row = await measureOption(contestant, { ...arena, inputs: own, notes: [...notes, ...(own?.notes ?? [])] })
    rows.push(row)
    context.progress({ fraction: fraction(), step, row })
  }
  return { rows }
}

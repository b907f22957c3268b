import type { Follow, Walk } from '../../src-preload/contract/follow.ts'
import type { Curve } from '../engine/allocate/knapsack.ts'
import type { Choices } from '../engine/allocate/define.ts'
import { type Space, spacesOf, type Wishes } from './plan-space.ts'
import { type PlanModel, total, uniformChoice } from './plan-model.ts'

/** All that is needed to follow a hand: the plans a budget passes through, and how their losses are predicted. */
export function followOf(model: PlanModel, wishes: Wishes): Follow {
  const { spaces, prepared } = spacesOf(model, wishes)
  const ids = new Map<string, number>()
  const indexOf = (id: string): number => {
    const index = ids.get(id) ?? ids.size
    ids.set(id, index)
    return index
  }
  const walks = prepared.knapsacks.flatMap((knapsack, i) => {
    const space = spaces[i]
    return space ? [walkOf(space, knapsack.curve(), indexOf)] : []
  })
  return {
    walks,
    running: model.running,
    ids: [...ids.keys()],
    scale: model.widths.map((bits) => ({ bits, bytes: total(model, uniformChoice(model, bits)).bytes })),
    baseBytes: model.baseBytes,
    predict: walks[0] ? predictions(model, walks[0], [...ids.keys()]) : [],
    source: model.source,
  }
}

function walkOf(
  { model, groups, members: membersOf }: Space,
  { layer: group, option, bytes, loss }: Curve,
  indexOf: (id: string) => number,
): Walk {
  const at = groups.map(smallest)
  const start = new Array<number>(model.layers.length).fill(0)
  groups.forEach(({ ids }, g) => {
    for (const member of membersOf[g] ?? []) start[member] = indexOf(ids[at[g] ?? 0] ?? '')
  })
  const steps = Array.from(group, (g, k) => ({
    option: indexOf(groups[g]?.ids[option[k] ?? 0] ?? ''),
    bytes: (bytes[k + 1] ?? 0) - (bytes[k] ?? 0),
    loss: (loss[k + 1] ?? 0) - (loss[k] ?? 0),
  }))
  return {
    removed: model.removed,
    baseBytes: model.baseBytes,
    baseLoss: model.removedLoss,
    layers: model.layers.map(({ name }) => name),
    groups: membersOf,
    start,
    startLosses: groups.map((each, g) => each.loss[at[g] ?? 0] ?? 0),
    startBytes: bytes[0] ?? 0,
    startLoss: loss[0] ?? 0,
    group: [...group],
    option: steps.map((step) => step.option),
    bytes: steps.map((step) => step.bytes),
    loss: steps.map((step) => step.loss),
  }
}

function smallest({ bytes, loss }: Choices): number {
  let best = 0
  for (let i = 1; i < bytes.length; i += 1) {
    const [size = 0, least = 0] = [bytes[i], bytes[best]]
    if (size < least || (size === least && (loss[i] ?? 0) < (loss[best] ?? 0))) best = i
  }
  return best
}

const predictionPoints = 48

/** The calibrated prediction along the first walk, with the sampling errors of the plans that lie on it, and with what pairs of
 *  layers lose together, which a walk of single steps leaves out. */
function predictions(model: PlanModel, walk: Walk, ids: readonly string[]): Follow['predict'] {
  const option = model.layers.map(({ options }) => new Map(options.map(({ id }, i) => [id, i])))
  const choice = Int32Array.from(walk.start, (id, layer) => option[layer]?.get(ids[id] ?? '') ?? 0)
  const points: Follow['predict'] = []
  let sum = walk.baseLoss + walk.startLoss
  const add = (): void => {
    const { loss, standardError } = total(model, choice)
    if (sum > 0 && loss > 0) points.push({ sum, ...model.calibration.predict(loss, standardError) })
  }
  add()
  const every = Math.max(1, Math.floor(walk.group.length / predictionPoints))
  walk.group.forEach((group, step) => {
    const id = ids[walk.option[step] ?? 0] ?? ''
    for (const layer of walk.groups[group] ?? []) choice[layer] = option[layer]?.get(id) ?? 0
    sum += walk.loss[step] ?? 0
    if ((step + 1) % every === 0 || step === walk.group.length - 1) add()
  })
  return points.reverse() // sums rising
}

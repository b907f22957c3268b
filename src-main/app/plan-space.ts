// What an allocator may choose from: a model's options without those that locks, floors and ceilings rule out, layers that go
// alike as one.
import type { Constraints, Option } from '../../src-preload/contract/plan.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import { type NamedChoices, type Tied, tieLayers } from '../engine/allocate/alike.ts'
import {
  type Configuration,
  type PreparedConfigurations,
  prepareConfigurations,
} from '../engine/allocate/configurations.ts'
import type { Sample } from '../engine/allocate/define.ts'
import { isUnpacked } from './front-memory.ts'
import { leversOf } from './front-points.ts'
import type { PlanLayer, PlanModel } from './plan-model.ts'
import { rawLoss } from './plan-targets.ts'

export interface Wishes {
  locked: Record<string, string> // layer -> option id
  constraints: Constraints
  packed?: boolean // memory counts: no options whose weights are unpacked when the file is opened
}

/** One network to choose for: the model, or one of its shorter ones. */
export interface Space {
  model: PlanModel
  configuration: Configuration
  groups: NamedChoices[] // what is chosen for: layers, those that go alike as one
  members: number[][] // layers behind each group, by index
  /** An allocator's choice -> index of each layer's option. */
  expand(choice: ArrayLike<number>): Int32Array
}

export interface Spaces {
  spaces: Space[]
  prepared: PreparedConfigurations
}

const known = new WeakMap<PlanModel, { key: string; spaces: Spaces }>()

/** All networks that may be chosen for, made ready for many budgets: a slider asks for the same ones again and again. */
export function spacesOf(model: PlanModel, wishes: Wishes): Spaces {
  const key = JSON.stringify(wishes)
  const found = known.get(model)
  if (found?.key === key) return found.spaces
  checkNames(model, wishes)
  const spaces = [model, ...model.shorter].flatMap((each) =>
    allows(each, wishes) ? [spaceOf(each, wishes, model)] : [],
  )
  if (spaces.length === 0) throw nothingLeft(model, wishes)
  const made = { spaces, prepared: prepareConfigurations(spaces.map(({ configuration }) => configuration)) }
  known.set(model, { key, spaces: made })
  return made
}

/** Blocks that must stay, and those of layers that a person decided about, are not left out. */
function allows(model: PlanModel, { locked, constraints }: Wishes): boolean {
  if (model.removed.length > 0 && constraints.only?.includes('depth') === false) return false
  if (constraints.keepBlocks.some((block) => model.removed.includes(block))) return false
  const there = new Set(model.layers.map(({ name }) => name))
  return [...Object.keys(locked), ...Object.keys(constraints.floors)].every((name) => there.has(name))
}

function spaceOf(model: PlanModel, { locked, constraints, packed = false }: Wishes, of: PlanModel): Space {
  const held = (option: Option): boolean => !packed || !isUnpacked(model.format, option)
  const left = model.layers.map((layer) => optionsLeft(layer, locked[layer.name], constraints, held))
  const layers = model.layers.map((layer, index): NamedChoices => {
    const kept = left[index] ?? []
    const pick = (values: Float64Array): Float64Array => Float64Array.from(kept, (option) => values[option] ?? 0)
    return {
      name: layer.name,
      ids: kept.map((option) => layer.options[option]?.id ?? ''),
      bytes: pick(layer.bytes),
      loss: pick(layer.loss),
      ...(layer.seconds && { seconds: pick(layer.seconds) }),
    }
  })
  const indexes = new Map(model.layers.map(({ name }, index) => [name, index]))
  const groups = constraints.alike.map((names) => names.flatMap((name) => indexes.get(name) ?? []))
  const tied = tieLayers(layers, groups, model.pairs)
  return {
    model,
    groups: tied.layers,
    members: tied.members,
    configuration: {
      problem: {
        layers: tied.layers,
        ...(tied.pairs.length > 0 && { pairs: tied.pairs }),
        measured: samplesOf(model, tied, of),
      },
      loss: model.removedLoss,
      baseBytes: model.baseBytes,
      baseSeconds: model.baseSeconds,
    },
    expand: (choice) => tied.expand(choice).map((option, layer) => left[layer]?.[option] ?? 0),
  }
}

/** Measured recipes that may still be chosen, in the raw unit of the layers' losses. `of`: the model whose calibration predicts. */
function samplesOf(model: PlanModel, { layers, members }: Tied, of: PlanModel): Sample[] {
  return model.recipes.flatMap(({ options, loss: measured }) => {
    const choice = layers.map(({ ids }, group) => {
      const chosen = new Set(members[group]?.map((layer) => options.get(model.layers[layer]?.name ?? '') ?? 'keep'))
      return chosen.size === 1 ? ids.indexOf([...chosen][0] ?? '') : -1
    })
    const loss = rawLoss(of, measured) - model.removedLoss
    return loss > 0 && Number.isFinite(loss) && !choice.includes(-1) ? [{ choice, loss }] : []
  })
}

/** The project leaves blocks out itself, and what was asked for does not go with that. */
function nothingLeft({ removed }: PlanModel, { constraints: { only, keepBlocks } }: Wishes): Fault {
  const kept = keepBlocks.filter((block) => removed.includes(block))
  const isDepth = only?.includes('depth') === false
  const why = isDepth ? `"${only.join(', ')}" alone may be drawn on` : `block ${kept.join(', ')} is to stay`
  return new Fault('infeasible', `The project leaves out block ${removed.join(', ')}, but ${why}.`, {
    hint: 'Take the removal out of the project’s preparations, or loosen the constraint.',
    data: {
      bounds: ['removed', isDepth ? 'only' : 'keepBlocks'],
      found: removed.join(', '),
      expected: isDepth ? only.join(', ') : kept.join(', '),
    },
  })
}

/** Indexes of the options that may be chosen. A lock that breaks a floor, a ceiling or the levers contradicts it. */
function optionsLeft(
  { name, options }: PlanLayer,
  lock: string | undefined,
  constraints: Constraints,
  held: (option: Option) => boolean,
): number[] {
  const floor = constraints.floors[name] ?? 0
  const ceiling = constraints.ceilings[name] ?? Infinity
  const { only } = constraints
  const keptBits = options.find(({ method }) => method === 'keep')?.bits ?? 32
  const drawn = (option: Option): boolean =>
    only === null || [...leversOf(option, keptBits)].every((lever) => only.includes(lever))
  const left = options.flatMap((option, index) =>
    option.bits >= floor &&
    option.bits <= ceiling &&
    drawn(option) &&
    held(option) &&
    (lock === undefined || option.id === lock)
      ? [index]
      : [],
  )
  if (left.length > 0) return left
  const asked = [
    ...(lock !== undefined ? [`locked to ${lock}`] : []),
    ...(floor > 0 ? [`at least ${floor} bits`] : []),
    ...(ceiling < Infinity ? [`at most ${ceiling} bits`] : []),
    ...(only !== null ? [`by ${only.join(', ') || 'no lever'} alone`] : []),
    ...(options.every(held) ? [] : ['packed in memory']),
  ]
  const bounds = [
    ...(lock !== undefined ? ['lock'] : []),
    ...(floor > 0 ? ['floor'] : []),
    ...(ceiling < Infinity ? ['ceiling'] : []),
    ...(only !== null ? ['only'] : []),
    ...(options.every(held) ? [] : ['memory']),
  ]
  const near = nearestTo(options.filter(drawn).filter(held), floor, ceiling)
  throw new Fault('infeasible', `Nothing is left for ${name}: ${asked.join(' and ')}.`, {
    hint: `The nearest it can have: ${near.map(({ id, bits }) => `${id} (${bits} bits)`).join(' or ')}. Move its ${bounds.join(' or ')}.`,
    data: {
      ...{ tensor: name, bounds, found: asked.join(' and ') },
      expected: near.map(({ bits }) => String(bits)).join(' or '),
      nearest: near.map(({ id, bits }) => ({ option: id, bits })),
    },
  })
}

/** The options next to a range that holds none of them: the widest below it and the narrowest above; those within, where it is
 *  something else that rules them out. */
function nearestTo<O extends Option>(options: readonly O[], floor: number, ceiling: number): O[] {
  const sorted = [...options].sort((a, b) => a.bits - b.bits)
  const within = sorted.filter(({ bits }) => bits >= floor && bits <= ceiling)
  if (within.length > 0) return within.length > 1 ? [within[0] as O, within.at(-1) as O] : within
  const below = sorted.findLast(({ bits }) => bits < floor && bits <= ceiling)
  const above = sorted.find(({ bits }) => bits > ceiling && bits >= floor)
  return [below, above].flatMap((option) => (option === undefined ? [] : [option]))
}

/** Names a person gave must be those of layers and options. */
function checkNames(model: PlanModel, { locked, constraints }: Wishes): void {
  const layers = new Map(model.layers.map((layer) => [layer.name, layer]))
  for (const [name, option] of Object.entries(locked))
    if (!layers.get(name)?.options.some(({ id }) => id === option))
      throw new Fault('bad-arguments', `Cannot lock ${name} to "${option}": there is no such layer or option.`, {
        data: { tensor: name, found: option },
      })
  const named = [...Object.keys(constraints.floors), ...Object.keys(constraints.ceilings), ...constraints.alike.flat()]
  const stranger = named.find((name) => !layers.has(name))
  if (stranger === undefined) return
  throw new Fault('bad-arguments', `A constraint names ${stranger}, which is no layer that can be compressed.`, {
    hint: 'Look at the layer table for names.',
    data: { field: 'constraints', tensor: stranger },
  })
}

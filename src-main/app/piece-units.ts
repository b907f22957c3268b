import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import type { Option, Recipe } from '../../src-preload/contract/plan.ts'
import { type DeviceId, deviceSchema } from '../../src-preload/contract/project.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { TaskResult } from '../engine/protocol.ts'
import type { Unit } from '../jobs/work.ts'
import { canonicalJson } from '../store/recipes.ts'
import { listStepFiles, readStep, removeStep, saveStep } from '../store/steps.ts'
import { hasArtifact } from './artifact-step.ts'
import { type LayerStep, layerSteps, recipeIdentity } from './layer-steps.ts'
import { preparedOf } from './prepare-units.ts'
import { dataOfRecipe, dataSetOf } from './recipe-data.ts'
import { calibrationSamples, matchingOf, methodsOfRecipe } from './recipe-methods.ts'
import { locateData, type OpenProject, type Subject } from './projects.ts'

type Piece = TaskResult<'pieces'>['pieces'][number]

const placeSchema = z.object({ device: deviceSchema.shape.id.default('cpu') }).catch({ device: 'cpu' })

/** Where a step's file was made; on the CPU where it was not noted. */
const placeOf = (store: OpenProject['store'], key: string): DeviceId =>
  placeSchema.parse(readStep(store.read, { key })?.result ?? {}).device

/** A calibrated recipe, piece by piece: each sees the activations that the compressed pieces before it give, and hands on
 *  its own. What is handed on is kept until the next piece has used it; a run that was killed goes on at the piece it was
 *  at. A variant is of one device, though its recipe names none: last digits differ among devices, so what another one began
 *  is begun anew, and what it finished is finished. */
export function pieceUnits(
  project: OpenProject,
  recipe: Recipe,
  args: {
    subject: Subject
    checkpoint: string
    run: string | null
    pieces: readonly Piece[]
    importance: () => string | null // file for options that are weighted by it
  },
): Unit[] {
  const { store } = project
  const { subject, checkpoint, pieces } = args
  const dataSet = dataSetOf(project, subject, dataOfRecipe(recipe))
  const samples = calibrationSamples(methodsOfRecipe(recipe), dataSet)
  const options = new Map<string, Option>(recipe.layers.map(({ name, option }) => [name, option]))
  const keys = new Map(layerSteps(recipe).map((step) => [step.layer, step]))
  const identity = createHash('sha256')
    .update(canonicalJson(recipeIdentity(recipe)))
    .digest('hex')
  const stateKey = (piece: number): string => `state-${identity}-${piece}`
  const stepsOf = ({ layers }: Piece): LayerStep[] => layers.flatMap((layer) => keys.get(layer) ?? [])
  const last = pieces.length - 1

  const { device } = subject.row
  const finished = new Map<number, DeviceId>() // where pieces were made whose layers were seen to stand
  /** Where a piece's layers were made; null where they do not all stand, or come from several devices. */
  async function madeOn(piece: number): Promise<DeviceId | null> {
    const known = finished.get(piece)
    if (known) return known
    const places = new Set<DeviceId>()
    for (const { key } of stepsOf(pieces[piece] as Piece)) {
      if (!(await hasArtifact(store, key))) return null
      places.add(placeOf(store, key))
    }
    if (places.size > 1) return null
    const [place = device] = places // no layers: made anywhere
    finished.set(piece, place)
    return place
  }
  /** Done, and nobody needs it again: it is the last, its state stands, or so does what was made from it. All that stands was
   *  made on one device; what is still to come is made on the project's. */
  async function isDone(piece: number): Promise<boolean> {
    let whole: DeviceId | null = null
    for (let at = 0; at <= last; at += 1) {
      const own = await madeOn(at)
      const bare = stepsOf(pieces[at] as Piece).length === 0
      if (own === null || (!bare && whole !== null && own !== whole)) return false
      if (!bare) whole = own
      if (at < piece) continue
      if (at === last) return true
      const goesOn = whole === null || whole === device
      if (goesOn && (await hasArtifact(store, stateKey(at))) && placeOf(store, stateKey(at)) === device) return true
    }
    return true
  }
  /** The state before a piece is of no use once that piece is done. */
  function forget(piece: number): void {
    const key = stateKey(piece)
    const file = readStep(store.read, { key })?.file
    removeStep(store.write, { key })
    if (file && !listStepFiles(store.read).has(file)) rmSync(join(store.artifacts, file), { force: true })
  }
  function inside(path: string, what: string): string {
    if (dirname(resolve(path)) === store.artifacts) return basename(path)
    throw new Fault('internal', `${what} lies outside the project: ${path}.`)
  }

  return pieces.map((piece, index): Unit => ({
    key: `piece-${identity}-${index}`,
    kind: 'piece',
    step: piece.name,
    weight: piece.work * samples,
    isDone: () => isDone(index),
    async run({ engine, hooks }) {
      const before = index === 0 ? null : readStep(store.read, { key: stateKey(index - 1) })?.file
      if (before === undefined)
        throw new Fault('not-found', `The activations before ${piece.name} are missing.`, {
          hint: 'Begin the job again: it goes back as far as it must.',
        })
      finished.delete(index)
      const result = await engine.run(
        'compressPiece',
        {
          checkpoint,
          prepared: preparedOf(project, recipe),
          piece: index,
          layers: piece.layers.flatMap((name) => {
            const option = options.get(name)
            return option === undefined || option.method === 'keep' ? [] : [{ name, option }]
          }),
          data: locateData(project, dataSet),
          samples,
          matching: matchingOf(recipe) !== null,
          seed: recipe.seed,
          device,
          folder: store.artifacts,
          state: before === null ? null : join(store.artifacts, before),
          importance: args.importance(),
        },
        hooks,
      )
      for (const notice of result.notices) hooks.notify(notice)
      for (const { layer, path, sha256, bytes, relativeError } of result.artifacts) {
        const key = keys.get(layer)?.key
        if (key === undefined) throw new Fault('internal', `${piece.name} gave ${layer}, which was not asked for.`)
        const file = inside(path, `The artifact of ${layer}`)
        saveStep(store.write, {
          ...{ key, run: args.run, task: 'compressPiece', file, sha256, bytes },
          result: { relativeError, device },
        })
      }
      const { state } = result
      if (state) {
        const file = inside(state.path, 'A state')
        const { sha256, bytes } = state
        saveStep(store.write, {
          key: stateKey(index),
          run: null,
          task: 'state',
          file,
          sha256,
          bytes,
          result: { device },
        })
      }
      if (index > 0) forget(index - 1)
    },
  }))
}

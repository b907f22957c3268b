import type { Constraints } from '../../../src-preload/contract/plan.ts'
import type { Draft } from '../../stores/plan.ts'
import type { LayerOptions } from '../../stores/project.ts'

/** What a project has to offer a draft that was made before. */
export interface Offer {
  options: readonly LayerOptions[]
  blocks: number
  allocators: readonly string[]
}

/** A remembered draft without what is no longer there, and a line in words for each thing that was left out. */
export function whatStands(draft: Draft, { options, blocks, allocators }: Offer): { draft: Draft; gone: string[] } {
  const ids = new Map(options.map((row) => [row.name, new Set(row.options.map(({ id }) => id))]))
  const gone: string[] = []
  const stays = (isThere: boolean, words: string): boolean => {
    if (!isThere) gone.push(words)
    return isThere
  }
  const kept = <V>(record: Readonly<Record<string, V>>, test: (key: string, value: V) => boolean): Record<string, V> =>
    Object.fromEntries(Object.entries(record).filter(([key, value]) => test(key, value)))
  const isLayer = (name: string, what: string): boolean => stays(ids.has(name), `${what} ${name}: no such layer`)

  const { constraints: before, allocator, ...rest } = draft
  const locked = kept(draft.locked, (name, id) => {
    const own = ids.get(name)
    return stays(own?.has(id) === true, `lock of ${name}: ${own ? `${id} is not offered for it` : 'no such layer'}`)
  })
  const constraints: Constraints | undefined = before && {
    ...before,
    alike: before.alike
      .map((group) => group.filter((name) => isLayer(name, 'group with')))
      .filter((group) => group.length > 1),
    floors: kept(before.floors, (name) => isLayer(name, 'least bits of')),
    ceilings: kept(before.ceilings, (name) => isLayer(name, 'most bits of')),
    keepBlocks: before.keepBlocks.filter((block) => stays(block < blocks, `block ${block} that stays: no such block`)),
  }
  const isKnown =
    allocator === undefined || stays(allocators.includes(allocator), `allocator ${allocator}: this Lathe has none`)
  return {
    draft: {
      ...rest,
      locked,
      ...(constraints && { constraints }),
      ...(allocator !== undefined && isKnown && { allocator }),
    },
    gone,
  }
}

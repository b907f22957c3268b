// A model in several files: NAME-00001-of-00003.gguf ... Each has split.no, split.count and split.tensors.count; the first
// has all other metadata.      Source: gguf-split of llama.cpp
import { basename, dirname, join } from 'node:path'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { cacheLinkTargets, resolveInside } from '../containment.ts'
import { ggufFault } from './cursor.ts'
import type { GgufHeader } from './header.ts'
import type { MetadataValue } from './metadata.ts'

const pattern = /^(.*)-([0-9]{5})-of-([0-9]{5})\.gguf$/i
const mostParts = 1024

/** What files of one set have in common; a lone file is a set of its own. */
export const setName = (name: string): string => pattern.exec(name)?.[1] ?? name

/** All files of the set that a file belongs to, in order, contained in its folder. Faults 'not-found' with what is missing. */
export function filesOfSet(path: string): string[] {
  const folder = dirname(path)
  const match = pattern.exec(basename(path))
  const total = Number(match?.[3] ?? 1)
  if (!match || total <= 1) return [path]
  if (total > mostParts) {
    throw new Fault('too-large', `${path}: a set of ${total} files, at most ${mostParts} are opened`, {
      data: { file: path },
    })
  }
  const names = Array.from(
    { length: total },
    (_, i) => `${match[1]}-${String(i + 1).padStart(5, '0')}-of-${match[3]}.gguf`,
  )
  const missing: string[] = []
  const found = names.map((name) => {
    try {
      return resolveInside(folder, name, { linkTargets: cacheLinkTargets(folder) })
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'not-found') throw error
      missing.push(name)
      return join(folder, name)
    }
  })
  if (missing.length === 0) return found
  throw new Fault(
    'not-found',
    `${path}: ${missing.length} of ${total} parts are missing: ${missing.slice(0, 20).join(', ')}`,
    {
      hint: 'Download the missing files into the same folder.',
      data: { file: path, field: 'split.count', found: missing.slice(0, 100).join(', ') },
    },
  )
}

interface Part {
  path: string
  header: GgufHeader
}

/** Parts agree about the set, hold different tensors, and nothing contradicts the first. Faults name the part and key. */
export function checkSet(parts: readonly Part[]): void {
  const [first] = parts
  if (!first) return
  const number = ({ header }: Part, key: string) => {
    const value = header.metadata.get(key)
    return value && 'value' in value && typeof value.value === 'number' ? value.value : undefined
  }
  const count = number(first, 'split.count') ?? 1
  if (count !== parts.length && (parts.length > 1 || count > 1)) {
    throw ggufFault(
      first.path,
      `split.count is ${count}, but ${parts.length === 1 ? 'its name is not that of a part' : `there are ${parts.length} parts`}`,
      {
        field: 'split.count',
        found: String(count),
        hint: 'Give the parts their original names (NAME-00001-of-00003.gguf) in one folder, and open any of them.',
      },
    )
  }
  if (parts.length === 1) return
  const names = new Map<string, string>()
  for (const [i, part] of parts.entries()) {
    for (const [key, expected] of [
      ['split.no', i],
      ['split.count', count],
      ['split.tensors.count', number(first, 'split.tensors.count')],
    ] as const) {
      const found = number(part, key)
      if (found !== expected) throw conflict(part.path, key, String(expected), String(found))
    }
    if (i > 0) checkAgainst(first, part)
    for (const { name } of part.header.tensors) {
      const other = names.get(name)
      if (other !== undefined) {
        throw ggufFault(part.path, `tensor ${JSON.stringify(name)} is also in ${other}`, { tensor: name })
      }
      names.set(name, part.path)
    }
  }
  const promised = number(first, 'split.tensors.count')
  if (promised !== names.size) throw conflict(first.path, 'split.tensors.count', String(names.size), String(promised))
}

/** Metadata that a later part repeats must be the same. */
function checkAgainst(first: Part, part: Part): void {
  for (const [key, value] of part.header.metadata) {
    const own = first.header.metadata.get(key)
    if (key === 'split.no' || !own || describe(own) === describe(value)) continue
    throw conflict(part.path, key, describe(own), describe(value))
  }
}

const describe = (value: MetadataValue): string =>
  value.type === 'array' ? `a list of ${value.length} ${value.of}` : JSON.stringify(value.value).slice(0, 100)

const conflict = (file: string, field: string, expected: string, found: string) =>
  ggufFault(file, `${field} is ${found}, the other parts of the set say ${expected}`, {
    field,
    expected,
    found,
    hint: 'The parts belong to different downloads. Download the whole set again.',
  })

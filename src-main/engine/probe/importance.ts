import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Network } from '../checkpoint/network.ts'
import type { Importance } from '../export/define.ts'
import { entriesOf } from './importance/names.ts'
import { readImatrix } from './importance/read.ts'

/** Reads an imatrix file (either of llama.cpp's two forms) for a network: by layer where Lathe wrote it for this network,
 *  else by GGUF tensor names. Faults naming the file and the entry, also where none of it belongs to the network. */
export function readImportance(file: string, network: Network): Importance {
  const { entries, layers } = readImatrix(file)
  const columns = new Map(network.layers.map(({ name, cols }) => [name, cols]))
  const found = new Map<string, Float32Array>()
  const take = (entry: (typeof entries)[number], names: readonly (string | undefined)[]) =>
    names.forEach((name, part) => {
      const wanted = name === undefined ? undefined : columns.get(name)
      if (name === undefined || wanted === undefined) return
      // The older form lists experts behind one another without saying how many.
      const own = names.length > entry.parts ? entry.values.length / names.length : entry.values.length / entry.parts
      if (own !== wanted)
        throw new Fault(
          'bad-input',
          `${file}: ${entry.name} has ${own} columns, ${name} of ${network.name} ${wanted}`,
          {
            hint: 'The imatrix file was made for another model.',
            data: { file, tensor: name, expected: `${wanted} columns`, found: `${own}` },
          },
        )
      found.set(name, entry.values.subarray(part * own, (part + 1) * own))
    })
  if (layers?.some((name) => columns.has(name))) {
    let at = 0
    for (const entry of entries) take(entry, layers.slice(at, (at += entry.parts)))
  } else {
    const byName = new Map(entries.map((entry) => [entry.name, entry]))
    for (const { name, parts } of entriesOf(network)) {
      const entry = byName.get(name)
      if (entry) take(entry, parts)
    }
  }
  if (found.size === 0)
    throw new Fault(
      'bad-input',
      `${file}: none of its ${entries.length} entries belongs to a layer of ${network.name}`,
      {
        hint: 'The imatrix file was made for another model.',
        data: { file, expected: `entries such as ${entriesOf(network)[0]?.name ?? ''}`, found: entries[0]?.name ?? '' },
      },
    )
  return (layer) => found.get(layer)
}

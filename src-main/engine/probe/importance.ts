import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Network } from '../checkpoint/network.ts'
import type { Importance } from '../export/define.ts'
import { entriesOf } from './importance/names.ts'
import { readImatrix } from './importance/read.ts'

/** Reads an imatrix file (either of llama.cpp's two forms) for a network, by GGUF tensor names. Faults naming the file and
 *  the entry, also where none of it belongs to the network. */
export function readImportance(file: string, network: Network): Importance {
  const { entries } = readImatrix(file)
  const columns = new Map(network.layers.map(({ name, cols }) => [name, cols]))
  const byName = new Map(entries.map((entry) => [entry.name, entry]))
  const found = new Map<string, Float32Array>()
  const expected = entriesOf(network)
  for (const { name, parts } of expected) {
    const entry = byName.get(name)
    if (!entry) continue
    const own = entry.values.length / parts.length // the older form does not say how many experts an entry holds
    parts.forEach((layers, part) => {
      for (const layer of layers) {
        const wanted = columns.get(layer) ?? 0
        if (own !== wanted)
          throw new Fault('bad-input', `${file}: ${name} has ${own} columns, ${layer} of ${network.name} ${wanted}`, {
            hint: 'The imatrix file was made for another model.',
            data: { file, tensor: layer, expected: `${wanted} columns`, found: `${own}` },
          })
        found.set(layer, entry.values.subarray(part * own, (part + 1) * own))
      }
    })
  }
  if (found.size === 0)
    throw new Fault(
      'bad-input',
      `${file}: none of its ${entries.length} entries belongs to a layer of ${network.name}`,
      {
        hint: 'The imatrix file was made for another model.',
        data: { file, expected: `entries such as ${expected[0]?.name ?? ''}`, found: entries[0]?.name ?? '' },
      },
    )
  return (layer) => found.get(layer)
}

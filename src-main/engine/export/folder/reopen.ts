import type { Network } from '../../checkpoint/network.ts'
import { openNetwork } from '../../checkpoint/open.ts'
import { differs, verifyTensors, type Wanted } from './verify.ts'

/** Opens the written folder as any program would, checks that it is the same model, and compares every tensor. */
export function verifyFolder(
  folder: string,
  wanted: Wanted,
  progress: (fraction: number, step: string) => void,
): string[] {
  const found = openNetwork(folder)
  try {
    const { network } = wanted
    requireSame(folder, found, network)
    const words = verifyTensors(found.source, folder, wanted, progress)
    if (found.graph === null) return [...words, 'Not run: Lathe has no graph for this family']
    return [
      ...words,
      `It opens with its ${found.family} graph: ${found.layers.length} layers in ${found.blocks.length} blocks`,
    ]
  } finally {
    found.source.close()
  }
}

function requireSame(folder: string, found: Network, network: Network): void {
  if (network.config === null || network.graph === null) return
  if (found.graph === null) throw differs(folder, '', `it opens without a graph (${found.notices.join(' ')})`)
  if (found.family !== network.family) throw differs(folder, '', `it opens as ${found.family}`)
}

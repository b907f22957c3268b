// Who uses each weight, and through which constant rearrangements (Transpose, Reshape, Slice ...).
import { attributeInts, type Graph, type Node } from './ir.ts'
import { readsOf, subgraphsOf } from './scope.ts'

export interface Use {
  node: Node // first node on the way that also reads something else than constants
  slot: number // which of its inputs
  position: number // index of that node, or of the one that contains it, in the main graph
  /** The weight arrives transposed (two dimensions swapped). */
  transposed: boolean
  /** Only rearranged on the way: what is computed from it is linear in it, element by element. */
  plain: boolean
}

export interface Uses {
  /** Values that do not depend on graph inputs. */
  constants: ReadonlySet<string>
  of(name: string): Use[]
}

const rearranging = new Set(
  'Identity Transpose Reshape Unsqueeze Squeeze Cast Flatten Slice Concat Split Expand DequantizeLinear'.split(' '),
)

interface Reader {
  node: Node
  slot: number
  position: number
}

export function findUses(graph: Graph): Uses {
  const constants = new Set<string>()
  const readers = new Map<string, Reader[]>()
  scan(graph, null)

  return { constants, of: (name) => trace(name).sort((a, b) => a.position - b.position) }

  function scan(part: Graph, outer: number | null): void {
    for (const name of part.initializers.keys()) constants.add(name)
    part.nodes.forEach((node, index) => {
      const position = outer ?? index
      node.inputs.forEach((name, slot) => {
        if (name === '') return
        const list = readers.get(name)
        if (list) list.push({ node, slot, position })
        else readers.set(name, [{ node, slot, position }])
      })
      const inner = subgraphsOf(node)
      for (const graph of inner) scan(graph, position)
      const fixed =
        inner.length === 0 && !node.op.startsWith('Random') && readsOf(node).every((name) => constants.has(name))
      if (fixed) for (const output of node.outputs) constants.add(output)
    })
  }

  function trace(weight: string): Use[] {
    const found: Use[] = []
    const seen = new Set<string>()
    const open = [{ name: weight, transposed: false, plain: true }]
    for (let at = open.pop(); at; at = open.pop()) {
      if (seen.has(at.name)) continue
      seen.add(at.name)
      for (const { node, slot, position } of readers.get(at.name) ?? []) {
        const [output = ''] = node.outputs
        if (!constants.has(output)) {
          found.push({ node, slot, position, transposed: at.transposed, plain: at.plain })
          continue
        }
        const perm = node.op === 'Transpose' ? attributeInts(node, 'perm') : [0]
        const swaps = node.op === 'Transpose' && (perm === null || perm.join() === '1,0')
        const keeps = perm === null || swaps || perm.every((axis, i) => axis === i)
        const plain = at.plain && keeps && rearranging.has(node.op) && (slot === 0 || node.op === 'Concat')
        for (const name of node.outputs) open.push({ name, transposed: at.transposed !== swaps, plain })
      }
    }
    return found
  }
}

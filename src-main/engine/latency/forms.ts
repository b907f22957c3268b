import type { Network } from '../checkpoint/network.ts'
import { weightReader } from '../checkpoint/weights.ts'
import { assemble } from '../export/onnx/assemble.ts'
import { formOf } from '../export/onnx/form.ts'
import { exportWeights } from '../export/onnx/weights.ts'
import type { Graph } from '../graph/ir.ts'
import { segment } from '../graph/segment.ts'
import { asGrid } from '../quantize/as-grid.ts'
import { type CompressedMatrix, isBlocks } from '../quantize/types.ts'
import type { WeightReader } from '../runtime/types.ts'
import { styles } from './names.ts'
import type { LatencySite } from './sites.ts'

interface Runnable {
  graph: Graph
  weights: WeightReader
}

const alone = (network: Network & { graph: Graph }, { node, value }: LatencySite): Graph =>
  segment(network.graph, { inputs: [value], outputs: node.outputs.slice(0, 1) })

/** The layer by itself, as it is. */
export const floatGraph = (network: Network & { graph: Graph }, site: LatencySite): Runnable => ({
  graph: alone(network, site),
  weights: weightReader(network),
})

/** The layer by itself as the file holds it; null where its codes are of a kind that no ONNX file holds. */
export function storedGraph(
  network: Network & { graph: Graph },
  site: LatencySite,
  format: string,
  made: CompressedMatrix,
): Runnable | null {
  const style = styles[format]
  const matrix = isBlocks(made) ? asGrid(made) : made
  if (style === undefined || matrix === null) return null
  const single = { ...network, graph: alone(network, site), layers: [site.layer], blocks: [], head: null }
  const assembled = assemble(single, new Map([[site.layer.name, formOf(matrix)]]), style)
  return { graph: assembled.graph, weights: exportWeights(single, assembled, () => matrix) }
}

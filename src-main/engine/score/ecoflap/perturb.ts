// Noise on weights inside the graph: W + step z, with z and the step as inputs, so that one session serves all draws and no
// weight matrix is copied.
import { random } from '../../data/random.ts'
import { int64Tensor } from '../../graph/constants.ts'
import { dataTypes, type Graph, int, node, type Node, type ValueInfo } from '../../graph/ir.ts'
import { allNames, freshName } from '../../graph/scope.ts'
import type { TensorValue } from '../../runtime/types.ts'

/** Weights beyond this many repeat the noise. A prime, so that no row of a matrix repeats it in step. */
const longest = 4_194_301

export interface Perturbed {
  graph: Graph
  noise: string // input, float32 [length]: standard normal numbers
  length: number
  steps: ReadonlyMap<string, string> // of each weight: its input, float32 []
}

/** The graph with noise on these initializers wherever a node of the main graph reads them; `most` numbers of noise. */
export function perturb(graph: Graph, weights: readonly string[], most = longest): Perturbed {
  const taken = allNames(graph)
  const initializers = new Map(graph.initializers)
  const [noise, steps] = [freshName(taken, 'perturb/noise'), new Map<string, string>()]
  const sizes = weights.map((name) => (initializers.get(name)?.shape ?? []).reduce((all, dim) => all * dim, 1))
  const length = Math.min(most, Math.max(1, ...sizes))
  const nodes: Node[] = []
  const noisy = new Map<string, string>()
  const integers = (values: number[]) => {
    const name = freshName(taken, 'perturb/integers')
    initializers.set(name, int64Tensor(name, values))
    return name
  }
  weights.forEach((weight, index) => {
    const { shape, dtype } = initializers.get(weight) ?? { shape: [], dtype: 'float32' as const }
    const op = (type: string, inputs: string[], attributes: Parameters<typeof node>[3] = {}): string => {
      const output = freshName(taken, `perturb/${weight}/${type}`)
      nodes.push(node(type, inputs, [output], attributes))
      return output
    }
    const cast = (value: string, to: typeof dtype) =>
      dtype === 'float32' ? value : op('Cast', [value], { to: int(dataTypes.indexOf(to)) })
    const size = sizes[index] ?? 0
    const long = size > length ? op('Tile', [noise, integers([Math.ceil(size / length)])]) : noise
    const z = op('Reshape', [op('Slice', [long, integers([0]), integers([size])]), integers([...shape])])
    const step = freshName(taken, `perturb/${weight}/step`)
    steps.set(weight, step)
    noisy.set(weight, cast(op('Add', [cast(weight, 'float32'), op('Mul', [z, step])]), dtype))
  })
  const inputs: ValueInfo[] = [noise, ...steps.values()].map((name) => ({
    name,
    dtype: 'float32',
    shape: name === noise ? [length] : [],
  }))
  const readers = graph.nodes.map((each) => ({ ...each, inputs: each.inputs.map((name) => noisy.get(name) ?? name) }))
  return {
    ...{ noise, length, steps },
    graph: { ...graph, nodes: [...nodes, ...readers], inputs: [...graph.inputs, ...inputs], initializers },
  }
}

/** Seeded normal numbers for all draws: draw k of a length begins at another place. */
export function noiseBank(length: number, draws: number, seed: number): (draw: number) => TensorValue {
  const apart = 4099 // a prime; draws share numbers, but never at the same weight
  const source = random(seed)
  const bank = Float32Array.from({ length: length + apart * draws }, () => source.normal())
  return (draw) => ({
    dtype: 'float32',
    dims: [length],
    data: bank.subarray(apart * draw, apart * draw + length),
  })
}

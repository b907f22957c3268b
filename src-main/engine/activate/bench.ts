// Arithmetic put into a graph: nodes with names of their own, constants once.
import { float32Tensor, int64Tensor } from '../graph/constants.ts'
import { type Attribute, dataTypes, type DataType, type Initializer, int, ints, node, type Node } from '../graph/ir.ts'
import { freshName } from '../graph/scope.ts'

/** What an emitter writes with. Values are float32 unless said. */
export interface Bench {
  readonly opset: number
  readonly nodes: Node[]
  op(op: string, inputs: string[], attributes?: Record<string, Attribute>): string
  scalar(value: number): string
  floats(values: ArrayLike<number>, shape: number[]): string
  integers(values: readonly number[]): string // int64, one dimension
  constant(tensor: Initializer): string // renamed to a fresh name; nothing is shared
  cast(value: string, to: DataType): string
  /** ReduceMax, ReduceMin, ReduceSum over axes, which stay with size 1. */
  reduce(op: 'ReduceMax' | 'ReduceMin' | 'ReduceSum', value: string, axes: readonly number[]): string
  /** The same emitter for nodes that stand elsewhere, named after another value. */
  at(label: string): Bench
}

/** `taken`: every name of the graph, added to. `initializers`: of the main graph, added to. */
export function createBench(
  opset: number,
  taken: Set<string>,
  initializers: Map<string, Initializer>,
  label: string,
  shared = new Map<string, string>(),
): Bench {
  const nodes: Node[] = []
  const once = (key: string, wish: string, make: (name: string) => Initializer): string => {
    const known = shared.get(key)
    if (known !== undefined) return known
    const name = freshName(taken, wish)
    initializers.set(name, make(name))
    shared.set(key, name)
    return name
  }
  const op: Bench['op'] = (op, inputs, attributes = {}) => {
    const output = freshName(taken, `${label}/${op}`)
    nodes.push(node(op, inputs, [output], attributes))
    return output
  }
  const integers = (values: readonly number[]) =>
    once(`integers ${values.join()}`, `rounding/integers_${values.join('_')}`, (name) => int64Tensor(name, values))
  return {
    opset,
    nodes,
    op,
    integers,
    scalar: (value) => once(`scalar ${value}`, `rounding/${value}`, (name) => float32Tensor(name, [value], [])),
    floats(values, shape) {
      const name = freshName(taken, `${label}/constant`)
      initializers.set(name, float32Tensor(name, Array.from(values), shape))
      return name
    },
    constant(tensor) {
      const name = freshName(taken, `${label}/${tensor.name}`)
      initializers.set(name, { ...tensor, name })
      return name
    },
    cast: (value, to) => op('Cast', [value], { to: int(dataTypes.indexOf(to)) }),
    reduce(kind, value, axes) {
      const asInput = opset >= (kind === 'ReduceSum' ? 13 : 18)
      if (asInput) return op(kind, [value, integers(axes)], { keepdims: int(1) })
      return op(kind, [value], { axes: ints([...axes]), keepdims: int(1) })
    },
    at: (other) => createBench(opset, taken, initializers, other, shared),
  }
}

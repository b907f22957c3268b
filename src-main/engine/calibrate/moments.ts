// Second moments of what enters a layer in the original network, x, and in the one compressed so far, x~; whole, and of parts
// of the batches (folds), so that what is read off from some images or texts can be judged on the others.
import { float32Tensor, int64Tensor } from '../graph/constants.ts'
import { type Graph, int, ints, type Node, node } from '../graph/ir.ts'
import type { Hessian } from '../kernels/linear/types.ts'
import type { LayerInput } from './inputs.ts'

/** About the means where `centred`. */
export interface Moments {
  hessian: Hessian // E[x~ x~^T]
  cross: Float32Array // E[x x~^T], [size, size]
  rest: Float32Array | null // E[(s - s~) x~^T], [rows, size]: what a residual adds
  mean: Float32Array // E[x]
  meanNow: Float32Array // E[x~]
}

export interface Fold {
  own: () => Moments // of every n-th group; made when asked, they are large
  others: () => Moments // of all others
}

type Sums = Map<string, Float64Array>

/** Above it a layer has two folds, below four: each is a copy of its sums. */
const WIDE = 1024

export interface MomentSums {
  /** `group`: counts on; batches of one group (the same images, mirrored) are never in different folds. */
  add(values: Readonly<Record<string, { data: ArrayLike<number | bigint> } | undefined>>, group: number): void
  /** Null where no batch could be used. Without folds where there was but one group. */
  finish(): { all: Moments; folds: Fold[] } | null
}

/** Sums of what `momentsGraph` gives, batch by batch. */
export function createMoments(size: number, centred: boolean): MomentSums {
  const parts = Array.from({ length: size > WIDE ? 2 : 4 }, (): Sums => new Map())
  return {
    add(values, group) {
      const part = parts[group % parts.length]
      for (const [name, value] of Object.entries(values)) {
        const data = value?.data ?? []
        const sum = part?.get(name) ?? new Float64Array(data.length)
        for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + Number(data[i])
        part?.set(name, sum)
      }
    },
    finish() {
      const used = parts.filter(({ size: names }) => names > 0)
      if (!(total(used, 'count')[0] ?? 0)) return null
      const of = (chosen: readonly Sums[]) => momentsOf(chosen, size, centred)
      const folds = used.map((part): Fold => {
        const others = used.filter((other) => other !== part)
        return { own: () => of([part]), others: () => of(others) }
      })
      return { all: of(used), folds: folds.length > 1 ? folds : [] }
    },
  }
}

function total(parts: readonly Sums[], name: string): Float64Array {
  const [first, ...others] = parts.flatMap((part) => part.get(name) ?? [])
  const sum = first?.slice() ?? new Float64Array()
  for (const other of others) for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (other[i] as number)
  return sum
}

function momentsOf(parts: readonly Sums[], size: number, centred: boolean): Moments {
  const rows = (total(parts, 'count')[0] ?? 0) / size
  const mean = (name: string) => total(parts, name).map((sum) => sum / rows)
  const [m, n] = [mean('mean'), mean('meanNow')]
  const about = (name: string, left: Float64Array) =>
    Float32Array.from(mean(name), (value, i) =>
      centred ? value - (left[Math.floor(i / size)] ?? 0) * (n[i % size] ?? 0) : value,
    )
  const data = about('hessian', n)
  for (let i = 0; i < size; i++) data[i * (size + 1)] = Math.max(0, data[i * (size + 1)] ?? 0)
  const rest = parts.some((part) => part.has('rest')) ? about('rest', mean('restMean')) : null
  const hessian = { size, data, rows }
  return { hessian, cross: about('cross', m), rest, mean: Float32Array.from(m), meanNow: Float32Array.from(n) }
}

/** Sums over rows: x~ x~^T, x x~^T, x, x~, and (s - s~) x~^T with s - s~. Images are unfolded by a convolution whose kernel
 *  copies each place, as in watch.ts. */
export function momentsGraph(
  graph: Graph,
  { node: user, layer, size, kind, rank }: LayerInput,
  hasSide: boolean,
): Graph {
  const nodes: Node[] = []
  const initializers = new Map([
    ['columns', int64Tensor('columns', [size, -1])],
    ['rows', int64Tensor('rows', [-1, size])],
    ['first', int64Tensor('first', [0])],
    ['sides', int64Tensor('sides', [layer.rows, -1])],
    ['sideRows', int64Tensor('sideRows', [-1, layer.rows])],
  ])
  const step = (op: string, inputs: string[], output: string, attributes = {}) =>
    void nodes.push(node(op, inputs, [output], attributes))
  const channelsFirst = ints([1, 0, ...Array.from({ length: Math.max(0, rank - 2) }, (_, i) => i + 2)])
  const places = layer.shape.slice(2).reduce((product, length) => product * length, 1)
  if (kind === 'unfolded') {
    const kernel = Array.from({ length: size * places }, (_, i) =>
      Number(i % places === Math.floor(i / places) % places),
    )
    initializers.set('kernel', float32Tensor('kernel', kernel, [size, 1, ...layer.shape.slice(2)]))
  }
  const attributes = Object.fromEntries(
    [...user.attributes].filter(([key]) => /^(auto_pad|dilations|kernel_shape|pads|strides)$/.test(key)),
  )
  const columns = (from: string, to: string) => {
    if (kind === 'unfolded') {
      step('Conv', [from, 'kernel'], `${to}.unfolded`, { ...attributes, group: int(size / places) })
      step('Transpose', [`${to}.unfolded`], `${to}.turned`, { perm: channelsFirst })
      step('Reshape', [`${to}.turned`, 'columns'], to)
    } else {
      step('Reshape', [from, 'rows'], `${to}.rows`)
      step('Transpose', [`${to}.rows`], to, { perm: ints([1, 0]) })
    }
  }
  columns('then', 'x')
  columns('now', 'y')
  step('Transpose', ['y'], 'yT', { perm: ints([1, 0]) })
  // Sums are products with ones [rows, 1]: the same in every opset.
  step('Gather', ['yT', 'first'], 'column', { axis: int(1) })
  step('Equal', ['column', 'column'], 'same')
  step('Cast', ['same'], 'ones', { to: int(1) })
  const sum = (from: string, to: string) => step('MatMul', [from, 'ones'], to)
  step('MatMul', ['y', 'yT'], 'hessian')
  step('MatMul', ['x', 'yT'], 'cross')
  sum('x', 'mean')
  sum('y', 'meanNow')
  step('Size', ['y'], 'count')
  const outputs = ['hessian', 'cross', 'mean', 'meanNow', 'count']
  if (hasSide) {
    step('Sub', ['side', 'sideNow'], 'difference')
    if (kind === 'unfolded') {
      step('Transpose', ['difference'], 'difference.turned', { perm: channelsFirst })
      step('Reshape', ['difference.turned', 'sides'], 'd')
    } else {
      step('Reshape', ['difference', 'sideRows'], 'difference.rows')
      step('Transpose', ['difference.rows'], 'd', { perm: ints([1, 0]) })
    }
    step('MatMul', ['d', 'yT'], 'rest')
    sum('d', 'restMean')
    outputs.push('rest', 'restMean')
  }
  const free = (name: string) => ({ name, dtype: 'float32' as const, shape: null })
  const shape = kind === 'unfolded' ? Array.from({ length: rank }, () => null) : null
  return {
    ...graph,
    ...{ nodes, initializers, values: new Map(), functions: [] },
    inputs: ['then', 'now', ...(hasSide ? ['side', 'sideNow'] : [])].map((name) => ({ ...free(name), shape })),
    outputs: outputs.map((name) => ({
      ...free(name),
      dtype: name === 'count' ? ('int64' as const) : ('float32' as const),
    })),
  }
}

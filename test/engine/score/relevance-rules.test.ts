import { expect, test } from 'vitest'
import { random } from '../../../src-main/engine/data/random.ts'
import { int64Tensor } from '../../../src-main/engine/graph/constants.ts'
import { float, int, ints, node, text } from '../../../src-main/engine/graph/ir.ts'
import { shareReference } from '../../../src-main/engine/score/relevance/products.ref.ts'
import { constant, relevanceOf, smallGraph } from './relevance.ts'

const SEED = 20240119
const normals = (count: number, seed = SEED) => {
  const source = random(seed)
  return Array.from({ length: count }, () => source.normal())
}
const fed = (dims: number[], data: readonly number[]) => ({
  x: { dtype: 'float32' as const, dims, data: Float32Array.from(data) },
})
const product = (dims: readonly number[]) => dims.reduce((all, dim) => all * dim, 1)

test('worked out by hand: a linear layer, a Relu, a residual and a head', async () => {
  // x = [1, 2].  h = x W + [10, 0], W = [[1, -1], [2, -1]] (inputs x outputs): sums 5, -3; h = 15, -3; after Relu 15, 0.
  // y = (x + relu(h)) V, V = [1, 1]^T: terms 16 and 2, so R = 16/18, 2/18.
  // Stream 1 (16 = 1 + 15): 1/16 to x, 15/16 to h. Stream 2 (2 = 2 + 0): all to x.
  // h1 has R = 15/18, its inputs add 1 and 4: 1/5 and 4/5; the bias takes nothing.
  const graph = smallGraph(
    [1, 2],
    [
      node('Gemm', ['x', 'w', 'c'], ['h']),
      node('Relu', ['h'], ['a']),
      node('Add', ['x', 'a'], ['s']),
      node('MatMul', ['s', 'v'], ['y']),
    ],
    [constant('w', [1, -1, 2, -1], [2, 2]), constant('c', [10, 0]), constant('v', [1, 1], [2, 1])],
  )
  const channels = { last: 2 }
  const found = await relevanceOf(graph, fed([1, 2], [1, 2]), [
    { value: 's', channels },
    { value: 'h', channels },
    { value: 'x', channels },
  ])
  const expected = [
    [16 / 18, 2 / 18],
    [15 / 18, 0],
    [1 / 18 + 3 / 18, 2 / 18 + 12 / 18],
  ]
  expect(found.total).toBe(1)
  expected.forEach((row, at) => row.forEach((value, i) => expect(found.read[at]?.[i]).toBeCloseTo(value, 5)))
})

test('a product equals the plain loops, with inputs that add nothing', async () => {
  const [inputs, outputs] = [7, 5]
  const x = normals(inputs).map((value, i) => (i === 2 ? 0 : value))
  const w = normals(inputs * outputs, SEED + 1).map((value, i) => (i % outputs === 3 ? 0 : value)) // an output of nothing
  const bias = [0, 0, 0, 4, 0]
  const graph = smallGraph(
    [1, inputs],
    [node('MatMul', ['x', 'w'], ['h']), node('Add', ['h', 'c'], ['y'])],
    [constant('w', w, [inputs, outputs]), constant('c', bias)],
  )
  const { read } = await relevanceOf(graph, fed([1, inputs], x), [{ value: 'x', channels: { last: inputs } }])
  const terms = x.map((value, i) => Array.from({ length: outputs }, (_, j) => value * (w[i * outputs + j] ?? 0)))
  const y = bias.map((value, j) => value + terms.reduce((sum, row) => sum + (row[j] ?? 0), 0))
  const all = y.reduce((sum, value) => sum + Math.abs(value), 0)
  const expected = shareReference(
    terms,
    y.map((value) => Math.abs(value) / all),
  )
  expected.forEach((value, i) => expect(read[0]?.[i], `seed ${SEED}, input ${i}`).toBeCloseTo(value, 5))
})

test.each([
  { name: 'padded', size: [1, 2, 5, 4], shape: [3, 2, 3, 3], pads: [1, 1, 1, 1], strides: [1, 1], group: 1 },
  { name: 'strided', size: [1, 2, 6, 5], shape: [2, 2, 3, 2], pads: [0, 1, 1, 0], strides: [2, 2], group: 1 },
  { name: 'in groups', size: [1, 4, 5, 5], shape: [6, 2, 2, 2], pads: [0, 0, 0, 0], strides: [1, 2], group: 2 },
  { name: 'depthwise', size: [1, 3, 6, 6], shape: [3, 1, 3, 3], pads: [1, 1, 1, 1], strides: [2, 2], group: 3 },
])('a convolution equals the plain loops: $name', async ({ size, shape, pads, strides, group }) => {
  const [, channels = 1, height = 1, width = 1] = size
  const [outputs = 1, within = 1, kh = 1, kw = 1] = shape
  const x = normals(product(size))
  const w = normals(product(shape), SEED + 2)
  const attributes = { pads: ints(pads), strides: ints(strides), group: int(group) }
  const graph = smallGraph(size, [node('Conv', ['x', 'w'], ['y'], attributes)], [constant('w', w, shape)])
  const flat = [node('Flatten', ['x0'], ['x1']), node('Reshape', ['x1', 'as'], ['x'])]
  const whole = { ...graph, nodes: [...flat, ...graph.nodes], inputs: [{ ...graph.inputs[0], name: 'x0' } as never] }
  whole.initializers.set('as', int64Tensor('as', size))
  const { read } = await relevanceOf(whole, { x0: fed(size, x).x }, [
    { value: 'x1', channels: { last: product(size) } },
  ])
  const [oh, ow] = [0, 1].map((axis) => {
    const [length, k] = [[height, width][axis] ?? 0, [kh, kw][axis] ?? 0]
    return Math.floor((length + (pads[axis] ?? 0) + (pads[axis + 2] ?? 0) - k) / (strides[axis] ?? 1)) + 1
  })
  const terms = x.map(() => Array<number>(outputs * (oh ?? 0) * (ow ?? 0)).fill(0))
  for (let o = 0; o < outputs; o++)
    for (let r = 0; r < (oh ?? 0); r++)
      for (let c = 0; c < (ow ?? 0); c++)
        for (let i = 0; i < within; i++)
          for (let u = 0; u < kh; u++)
            for (let v = 0; v < kw; v++) {
              const [row, col] = [
                r * (strides[0] ?? 1) + u - (pads[0] ?? 0),
                c * (strides[1] ?? 1) + v - (pads[1] ?? 0),
              ]
              if (row < 0 || col < 0 || row >= height || col >= width) continue
              const channel = Math.floor(o / (outputs / group)) * (channels / group) + i
              const at = (channel * height + row) * width + col
              const column = terms[at]
              if (column)
                column[(o * (oh ?? 0) + r) * (ow ?? 0) + c] =
                  (x[at] ?? 0) * (w[((o * within + i) * kh + u) * kw + v] ?? 0)
            }
  const sums = (terms[0] ?? []).map((_, j) => Math.abs(terms.reduce((sum, row) => sum + (row[j] ?? 0), 0)))
  const all = sums.reduce((sum, value) => sum + value, 0)
  const expected = shareReference(
    terms,
    sums.map((value) => value / all),
  )
  expected.forEach((value, i) => expect(read[0]?.[i], `seed ${SEED}, input ${i}`).toBeCloseTo(value, 5))
})

const image = [2, 3, 6, 6]
const kernel = { kernel_shape: ints([3, 3]), strides: ints([2, 2]) }
const lasts = int64Tensor('lasts', [-1])
test.each([
  ['MaxPool with overlaps', image, [node('MaxPool', ['x'], ['y'], { ...kernel, pads: ints([1, 1, 1, 1]) })]],
  ['AveragePool', image, [node('AveragePool', ['x'], ['y'], { ...kernel, pads: ints([1, 1, 0, 0]) })]],
  ['GlobalAveragePool', image, [node('GlobalAveragePool', ['x'], ['y'])]],
  ['ReduceMax', image, [node('ReduceMax', ['x', 'lasts'], ['y'], { keepdims: int(0) })]],
  ['ReduceMean', image, [node('ReduceMean', ['x', 'lasts'], ['y'], { keepdims: int(0) })]],
  ['Slice', image, [node('Slice', ['x', 'from', 'to', 'axes', 'steps'], ['y'])]],
  ['Gather', image, [node('Gather', ['x', 'picks'], ['y'], { axis: int(1) })]],
  ['Pad', image, [node('Pad', ['x', 'pads'], ['y'])]],
  ['Pad by reflection', image, [node('Pad', ['x', 'pads'], ['y'], { mode: text('reflect') })]],
  ['Expand', [2, 1, 3], [node('Expand', ['x', 'wide'], ['y'])]],
  ['Concat with a constant', [2, 3], [node('Concat', ['x', 'beside'], ['y'], { axis: int(1) })]],
  [
    'Split, one part unused',
    [2, 6],
    [node('Split', ['x'], ['p', 'q', 'r'], { axis: int(1), num_outputs: int(3) }), node('Mul', ['p', 'r'], ['y'])],
  ],
  ['Where', [2, 3], [node('Greater', ['x', 'zero'], ['is']), node('Where', ['is', 'x', 'zero'], ['y'])]],
  ['Max of two', [2, 3], [node('Neg', ['x'], ['n']), node('Max', ['x', 'n'], ['y'])]],
  ['Transpose', image, [node('Transpose', ['x'], ['y'], { perm: ints([0, 2, 3, 1]) })]],
  ['LayerNormalization', [2, 4, 6], [node('LayerNormalization', ['x', 'gain', 'shift'], ['y'], { axis: int(-1) })]],
  [
    'attention',
    [2, 4, 6],
    [
      node('Transpose', ['x'], ['k'], { perm: ints([0, 2, 1]) }),
      node('MatMul', ['x', 'k'], ['s']),
      node('Softmax', ['s'], ['a'], { axis: int(-1) }),
      node('MatMul', ['a', 'x'], ['y']),
    ],
  ],
  [
    'SiLU gate and broadcast sum',
    [2, 4, 6],
    [
      node('Sigmoid', ['x'], ['g']),
      node('Mul', ['x', 'g'], ['m']),
      node('ReduceSum', ['x', 'lasts'], ['t'], { keepdims: int(1) }),
      node('Sub', ['m', 't'], ['y']),
    ],
  ],
  [
    'Gemm with everything turned',
    [6, 2],
    [
      node('Gemm', ['x', 'turned', 'shift6'], ['h'], { transA: int(1), transB: int(1), alpha: float(-2) }),
      node('Tanh', ['h'], ['y']),
    ],
  ],
  [
    'Conv padded by SAME',
    image,
    [node('Conv', ['x', 'w'], ['y'], { auto_pad: text('SAME_UPPER'), strides: ints([2, 2]) })],
  ],
] as [string, number[], ReturnType<typeof node>[]][])('relevance is conserved through %s', async (_, size, nodes) => {
  const constants = [
    lasts,
    ...[
      int64Tensor('from', [1, 0]),
      int64Tensor('to', [6, -1]),
      int64Tensor('axes', [2, 3]),
      int64Tensor('steps', [2, 1]),
    ],
    ...[int64Tensor('picks', [0, 2, 2]), int64Tensor('pads', [0, 0, 1, 2, 0, 0, 2, 1]), int64Tensor('wide', [2, 4, 3])],
    ...[constant('beside', [1, -1], [2, 1]), constant('zero', [0], [])],
    ...[constant('gain', normals(6)), constant('shift', normals(6, 3)), constant('shift6', normals(3))],
    ...[constant('turned', normals(18), [3, 6]), constant('w', normals(54), [2, 3, 3, 3])],
  ]
  const feeds = fed(size, normals(product(size)))
  const { total, absorbed, read } = await relevanceOf(smallGraph(size, nodes, constants), feeds, [
    { value: 'x', channels: null },
  ])
  expect(total).toBeGreaterThan(0.99)
  expect(((read[0]?.[0] ?? NaN) + absorbed) / total, `seed ${SEED}`).toBeCloseTo(1, 5)
  if (_ !== 'Concat with a constant') expect(absorbed).toBeCloseTo(0, 6)
  else expect(absorbed).toBeGreaterThan(0.1)
})

test('an operator without a rule is named', async () => {
  const graph = smallGraph([2, 4], [node('CumSum', ['x', 'axis'], ['y'])], [int64Tensor('axis', [1], [])])
  await expect(relevanceOf(graph, {}, [])).rejects.toMatchObject({ code: 'unsupported', data: { found: 'CumSum' } })
})

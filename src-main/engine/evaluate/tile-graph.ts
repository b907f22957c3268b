import { float, int, node, type Graph, type Initializer, type Node } from '../graph/ir.ts'

const scalar = (name: string, value: number): Initializer => ({
  name,
  dtype: 'float32',
  shape: [],
  data: { inline: new Uint8Array(new Float32Array([value]).buffer) },
})
const axis: Initializer = {
  name: 'axis',
  dtype: 'int64',
  shape: [1],
  data: { inline: new Uint8Array(new BigInt64Array([1n]).buffer) },
}

// Below this, g(d) = e^d - 1 - d comes from its series, whose rest is under d^7 / 5040: less than float32 can tell.
const nearZero = 0.25
const series = [1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2]

/** g(d), named 'g'. */
function excessNodes(): { nodes: Node[]; initializers: Initializer[] } {
  const nodes: Node[] = []
  let polynomial = 'c0'
  series.slice(1).forEach((_, index) => {
    nodes.push(
      node('Mul', [polynomial, 'd'], [`m${index}`]),
      node('Add', [`m${index}`, `c${index + 1}`], [`p${index}`]),
    )
    polynomial = `p${index}`
  })
  nodes.push(
    node('Mul', ['d', 'd'], ['square']),
    node('Mul', ['square', polynomial], ['small']),
    node('Exp', ['d'], ['grown']),
    node('Sub', ['grown', 'one'], ['grown1']),
    node('Sub', ['grown1', 'd'], ['large']),
    node('Abs', ['d'], ['distance']),
    node('Less', ['distance', 'near'], ['isNear']),
    node('Where', ['isNear', 'small', 'large'], ['g']),
  )
  const initializers = [
    scalar('one', 1),
    scalar('near', nearZero),
    ...series.map((value, index) => scalar(`c${index}`, value)),
  ]
  return { nodes, initializers }
}

/** max, sum of exponentials, index of the maximum, and how many lie above `mark`, of the logits of one side. */
const sideNodes = (side: 'A' | 'B'): Node[] => [
  node('ReduceMax', [side, 'axis'], [`max${side}`], { keepdims: int(1) }),
  node('Sub', [side, `max${side}`], [`shifted${side}`]),
  node('Exp', [`shifted${side}`], [`exp${side}`]),
  node('ReduceSum', [`exp${side}`, 'axis'], [`sum${side}`], { keepdims: int(1) }),
  node('ArgMax', [side], [`best${side}`], { axis: int(1), keepdims: int(1) }),
  node('Greater', [side, `mark${side}`], [`isAbove${side}`]),
  node('Cast', [`isAbove${side}`], [`aboveOne${side}`], { to: int(1) }),
  node('ReduceSum', [`aboveOne${side}`, 'axis'], [`above${side}`], { keepdims: int(1) }),
]

export const tileOutputs = [
  'maxA',
  'sumA',
  'bestA',
  'aboveA',
  'maxB',
  'sumB',
  'bestB',
  'aboveB',
  'sumD',
  'sumG',
] as const

/**
 * The sums of TileSums, and ranks, over one tile of the vocabulary.
 *   hidden: A = hiddenA [rows, width] tileA^T [tile, width], B likewise: logits exist for one tile only
 *   logits: A and B [rows, classes] are inputs themselves
 * softCap c: logits are c tanh(product / c) (LanguageHead). markA, markB [rows, 1]: the target's logit; aboveA, aboveB count what exceeds it. All outputs [rows, 1].
 */
export function tileGraph(from: 'hidden' | 'logits', softCap: number | null = null): Graph {
  const { nodes, initializers } = excessNodes()
  const matrix = (name: string, rows: string, cols: string) => ({
    name,
    dtype: 'float32' as const,
    shape: [rows, cols],
  })
  const product = (side: string): Node[] => {
    const gemm = (output: string) =>
      node('Gemm', [`hidden${side}`, `tile${side}`], [output], { transB: int(1), alpha: float(1) })
    if (softCap === null) return [gemm(side)]
    return [
      gemm(`raw${side}`),
      node('Div', [`raw${side}`, 'cap'], [`part${side}`]),
      node('Tanh', [`part${side}`], [`bent${side}`]),
      node('Mul', [`bent${side}`, 'cap'], [side]),
    ]
  }
  const cap = softCap === null ? [] : [scalar('cap', softCap)]
  const sources =
    from === 'logits'
      ? [matrix('A', 'rows', 'classes'), matrix('B', 'rows', 'classes')]
      : [
          matrix('hiddenA', 'rows', 'widthA'),
          matrix('tileA', 'classes', 'widthA'),
          matrix('hiddenB', 'rows', 'widthB'),
          matrix('tileB', 'classes', 'widthB'),
        ]
  return {
    name: `judge of ${from}`,
    irVersion: 10,
    opsets: new Map([['', 18]]),
    nodes: [
      ...(from === 'hidden' ? [...product('A'), ...product('B')] : []),
      ...sideNodes('A'),
      ...sideNodes('B'),
      node('Sub', ['shiftedB', 'shiftedA'], ['d']),
      ...nodes,
      node('Mul', ['expA', 'd'], ['weightedD']),
      node('Mul', ['expA', 'g'], ['weightedG']),
      node('ReduceSum', ['weightedD', 'axis'], ['sumD'], { keepdims: int(1) }),
      node('ReduceSum', ['weightedG', 'axis'], ['sumG'], { keepdims: int(1) }),
    ],
    inputs: [...sources, matrix('markA', 'rows', 'one'), matrix('markB', 'rows', 'one')].map((input) =>
      input.name.startsWith('mark') ? { ...input, shape: ['rows', 1] } : input,
    ),
    outputs: tileOutputs.map((name) => ({
      name,
      dtype: name.startsWith('best') ? ('int64' as const) : ('float32' as const),
      shape: ['rows', 1],
    })),
    initializers: new Map([axis, ...cap, ...initializers].map((initializer) => [initializer.name, initializer])),
    values: new Map(),
    functions: [],
    metadata: new Map(),
    producer: 'lathe',
  }
}

// The layers of a network: each weight with its operator, role, and the matrix it stands for.
import type { Role } from '../../../src-preload/contract/model.ts'
import type { Layer, StoredForm } from '../checkpoint/network.ts'
import { attributeInt, type DataType, type Graph, type Initializer, type Node } from './ir.ts'
import { namesBias, namesNorm, pathOfNode, pathOfWeight, roleOfPath } from './names.ts'
import type { Use, Uses } from './uses.ts'

export type Tensors = ReadonlyMap<string, { dtype: DataType; shape: number[]; bytes: number; stored?: StoredForm }>

type Kind = 'conv' | 'transposedConv' | 'gemm' | 'matmul' | 'gather' | 'recurrent' | 'attention' | 'norm' | 'bias'

/** What each input of an operator is; inputs not listed are no weights. */
const slots: Record<string, Record<number, Kind>> = {
  Conv: { 1: 'conv', 2: 'bias' },
  FusedConv: { 1: 'conv', 2: 'bias' },
  ConvInteger: { 1: 'conv' },
  QLinearConv: { 3: 'conv', 8: 'bias' },
  DeformConv: { 1: 'conv', 3: 'bias' },
  ConvTranspose: { 1: 'transposedConv', 2: 'bias' },
  Gemm: { 0: 'gemm', 1: 'gemm', 2: 'bias' },
  FusedGemm: { 0: 'gemm', 1: 'gemm', 2: 'bias' },
  MatMul: { 0: 'matmul', 1: 'matmul' },
  FusedMatMul: { 0: 'matmul', 1: 'matmul' },
  MatMulInteger: { 0: 'matmul', 1: 'matmul' },
  QLinearMatMul: { 0: 'matmul', 3: 'matmul' },
  MatMulNBits: { 1: 'matmul' },
  Gather: { 0: 'gather' },
  LSTM: { 1: 'recurrent', 2: 'recurrent', 3: 'bias' },
  GRU: { 1: 'recurrent', 2: 'recurrent', 3: 'bias' },
  RNN: { 1: 'recurrent', 2: 'recurrent', 3: 'bias' },
  Attention: { 1: 'attention', 2: 'bias' },
  BatchNormalization: { 1: 'norm', 2: 'norm', 3: 'norm', 4: 'norm' },
  InstanceNormalization: { 1: 'norm', 2: 'norm' },
  LayerNormalization: { 1: 'norm', 2: 'norm' },
  GroupNormalization: { 1: 'norm', 2: 'norm' },
  RMSNormalization: { 1: 'norm' },
  SimplifiedLayerNormalization: { 1: 'norm' },
  SkipLayerNormalization: { 2: 'norm', 3: 'norm', 4: 'bias' },
  SkipSimplifiedLayerNormalization: { 2: 'norm', 3: 'bias' },
}
/** Operators whose float constants are settings, not weights. */
const settings = new Set('Resize Upsample Pad Clip Range OneHot NonMaxSuppression RoiAlign Dropout Pow'.split(' '))
const floats = new Set<DataType>(['float32', 'float16', 'bfloat16', 'float64'])
const compressibleKinds = new Set<Kind | null>(['conv', 'transposedConv', 'gemm', 'matmul', 'gather', 'recurrent'])
/** Below this a packed weight and its scales take as much as the weight did. */
export const fewestParameters = 256

/** A layer and where in the graph it is first used; `position` null: nowhere. */
export interface PlacedLayer {
  layer: Layer
  path: string[] // module path by name
  position: number | null
}

/** Every weight of the graph in order of use, then tensors of the checkpoint that the graph does not use. */
export function findLayers(graph: Graph, tensors: Tensors, uses: Uses): PlacedLayer[] {
  const placed: PlacedLayer[] = []
  for (const initializer of graph.initializers.values()) {
    const all = uses.of(initializer.name)
    const use = all.find((each) => kindOf(each) !== null) ?? all[0]
    if (!isWeight(initializer, use)) continue
    placed.push(placeLayer(initializer, tensors, use, all[0]?.position ?? null))
  }
  placed.sort((a, b) => (a.position ?? Infinity) - (b.position ?? Infinity))
  const used = new Set([...graph.initializers.values()].flatMap((each) => [each.name, sourceOf(each)]))
  for (const [name, tensor] of tensors) {
    if (used.has(name)) continue
    const shape = [...tensor.shape]
    placed.push({
      layer: {
        ...asRows(shape),
        name,
        role: 'other',
        block: null,
        shape,
        dtype: tensor.dtype,
        bytes: tensor.bytes,
        parameters: product(shape),
        compressible: false,
        op: '',
      },
      path: pathOfWeight(name),
      position: null,
    })
  }
  return placed
}

const product = (shape: readonly number[]) => shape.reduce((all, dim) => all * dim, 1)
const sourceOf = (initializer: Initializer) =>
  'source' in initializer.data ? initializer.data.source : initializer.name

function kindOf(use: Use): Kind | null {
  if (use.node.op === 'Attention' && use.node.domain === '') return null
  return slots[use.node.op]?.[use.slot] ?? null
}

function isWeight(initializer: Initializer, use: Use | undefined): boolean {
  if (product(initializer.shape) <= 1 || initializer.dtype === 'string') return false
  if (use && kindOf(use) === 'gather' && !floats.has(initializer.dtype)) return false
  if (use && kindOf(use) !== null) return true
  return floats.has(initializer.dtype) && !(use && settings.has(use.node.op))
}

function placeLayer(
  initializer: Initializer,
  tensors: Tensors,
  use: Use | undefined,
  position: number | null,
): PlacedLayer {
  const { name, shape } = initializer
  const tensor = tensors.get(sourceOf(initializer))
  const stored = tensor?.stored
  const kind = use ? kindOf(use) : null
  const own = pathOfWeight(name)
  const path = own.length > 0 || !use ? own : pathOfNode(use.node.name, use.node.outputs[0] ?? '', use.node.op)
  const parameters = product(shape)
  const matrix = matrixOf(shape, use, kind)
  const layer: Layer = {
    name,
    role: use ? roleOf(name, shape, use, kind, path) : 'other',
    block: null,
    shape: [...shape],
    dtype: tensor?.dtype ?? initializer.dtype,
    bytes: tensor?.bytes ?? 0,
    ...(stored && { stored }),
    parameters,
    compressible:
      compressibleKinds.has(kind) &&
      use?.plain === true &&
      shape.length >= 2 &&
      floats.has(initializer.dtype) &&
      floats.has(tensor?.dtype ?? initializer.dtype) &&
      parameters >= fewestParameters &&
      matrix.cols > 1, // a row of one weight is its own scale
    ...matrix,
    op: use?.node.op ?? '',
  }
  return { layer, path, position }
}

function roleOf(name: string, shape: readonly number[], use: Use, kind: Kind | null, path: string[]): Role {
  const { node } = use
  switch (kind) {
    case 'conv':
    case 'transposedConv':
      return attributeInt(node, 'group', 1) > 1 && shape[1] === 1 ? 'depthwise' : 'conv'
    case 'gather':
      return 'embed'
    case 'recurrent':
      return 'recurrent'
    case 'attention':
      return 'qkv'
    case 'norm':
    case 'bias':
      return kind
    case 'gemm':
    case 'matmul':
      return roleOfPath(path) ?? (node.op.endsWith('Gemm') ? 'fc' : 'linear')
    case null:
      return roleOfConstant(name, shape, node)
  }
}

/** A constant that is added to or multiplied with the activations. */
function roleOfConstant(name: string, shape: readonly number[], node: Node): Role {
  if (node.op === 'Einsum') return 'linear'
  const isVector = shape.filter((dim) => dim > 1).length <= 1
  if (!isVector) return 'other'
  if (/^(Add|Sub|Mul|Div)$/.test(node.op) && (namesNorm(name) || namesNorm(node.name))) return 'norm'
  if (/^(Add|Sub)$/.test(node.op) || namesBias(name)) return 'bias'
  return 'other'
}

type Matrix = Pick<Layer, 'rows' | 'cols' | 'order'>

const asRows = (shape: readonly number[]): Matrix =>
  shape.length < 2
    ? { rows: product(shape), cols: 1, order: 'rows' }
    : { rows: shape[0] ?? 1, cols: product(shape.slice(1)), order: 'rows' }
const byLast = (shape: readonly number[]) => ({ last: shape.at(-1) ?? 1, others: product(shape.slice(0, -1)) })

/** The weight as output channels x inputs; memory order 'cols' where the inputs come first. */
function matrixOf(shape: readonly number[], use: Use | undefined, kind: Kind | null): Matrix {
  const { last, others } = byLast(shape)
  switch (use ? kind : null) {
    case 'transposedConv': // [inputs, outputs / group, kernel ...]
      return { rows: product(shape.slice(1)), cols: shape[0] ?? 1, order: 'cols' }
    case 'recurrent': // [directions, gates * hidden, inputs]
      return { rows: others, cols: last, order: 'rows' }
    case 'attention':
      return { rows: last, cols: others, order: 'cols' }
    case 'gather': {
      const axis = use ? attributeInt(use.node, 'axis', 0) : 0
      const isLast = axis === shape.length - 1 || axis === -1
      return isLast && shape.length > 1 ? { rows: last, cols: others, order: 'cols' } : asRows(shape)
    }
    case 'gemm':
    case 'matmul': {
      if (!use || use.node.op === 'MatMulNBits') return asRows(shape)
      const left = use.slot === 0
      const attribute = attributeInt(use.node, left ? 'transA' : 'transB', 0) === 1
      // As the left factor [outputs, inputs], as the right one [inputs, outputs]; each transposition swaps that.
      const rowsFirst = left !== (attribute !== use.transposed)
      if (!rowsFirst) return { rows: last, cols: others, order: 'cols' }
      return left ? { rows: others, cols: last, order: 'rows' } : asRows(shape)
    }
    default:
      return asRows(shape)
  }
}

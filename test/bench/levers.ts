// What the sparsity and rank levers do to a product in the exported graph: time of a session's run and bytes of the file, against
// the dense float32 weight. Whole columns and factors are less to compute; zeros elsewhere only make the file smaller.
import { encodeModel } from '../../src-main/engine/checkpoint/onnx/encode.ts'
import { emitLayer } from '../../src-main/engine/export/onnx/emit-layer.ts'
import { formOf, type StoredMatrix } from '../../src-main/engine/export/onnx/form.ts'
import { createScope } from '../../src-main/engine/export/onnx/scope.ts'
import { type Graph, node } from '../../src-main/engine/graph/ir.ts'
import { usesOf } from '../../src-main/engine/export/onnx/uses.ts'
import { applyOption } from '../../src-main/engine/quantize/options.ts'
import { openSession } from '../../src-main/engine/runtime/session.ts'
import { gaussianMatrix } from '../engine/kernels/random.ts'

const SIZE = 2048
const TOKENS = 128
const ROUNDS = 15

const sparse = (pattern: string, sparsity: number, width: number) =>
  ['magnitude', { pattern, sparsity, width, groupSize: width > 8 ? 0 : 128 }] as const
const options = [
  ['half unstructured, float16', ...sparse('unstructured', 0.5, 16)],
  ['2:4, 4 bits', ...sparse('2:4', 0.5, 4)],
  ['95 % unstructured, 8 bits', ...sparse('unstructured', 0.95, 8)],
  ['a quarter of the columns gone, 8 bits', ...sparse('columns', 0.25, 8)],
  ['half of the columns gone, 8 bits', ...sparse('columns', 0.5, 8)],
  ['a quarter of the rank, 8 bits', 'svd', { rank: SIZE / 4, width: 8 }],
  ['a tenth of the rank, 4 bits', 'svd', { rank: 200, width: 4 }],
] as const

export async function benchLevers(): Promise<void> {
  const matrix = gaussianMatrix(SIZE, SIZE, 1)
  const x = { dtype: 'float32' as const, dims: [TOKENS, SIZE], data: gaussianMatrix(TOKENS, SIZE, 2).data }
  const dense: Graph = {
    ...{ name: 'g', irVersion: 8, opsets: new Map([['', 13]]), nodes: [node('MatMul', ['x', 'w'], ['y'])] },
    inputs: [{ name: 'x', dtype: 'float32', shape: [TOKENS, SIZE] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: null }],
    initializers: new Map([['w', { name: 'w', dtype: 'float32', shape: [SIZE, SIZE], data: { source: 'w' } }]]),
    ...{ values: new Map(), functions: [], metadata: new Map(), producer: '' },
  }
  const contenders = [await contender('dense float32', dense, () => new Uint8Array(matrix.data.buffer))]
  for (const [name, method, parameters] of options) {
    const q = (await applyOption(matrix, { id: 'x', method, bits: 8, parameters })) as StoredMatrix
    const { graph, payload } = emitted(dense, q)
    contenders.push(await contender(name, graph, payload))
  }
  const times = contenders.map((): number[] => [])
  for (let round = 0; round < ROUNDS; round++)
    for (const [i, { session }] of contenders.entries()) {
      const began = performance.now()
      await session.run({ x })
      times[i]?.push(performance.now() - began)
    }
  console.log(`\nlevers: [${TOKENS}, ${SIZE}] x [${SIZE}, ${SIZE}] on the CPU, median (least) of ${ROUNDS} runs`)
  for (const [i, { name, bytes, session }] of contenders.entries()) {
    const sorted = (times[i] ?? []).toSorted((a, b) => a - b)
    const ms = (at: number) => (sorted[at] ?? NaN).toFixed(2)
    console.log(`${name.padEnd(40)} ${ms(ROUNDS >> 1)} (${ms(0)}) ms   ${(bytes / 1e6).toFixed(2)} MB`)
    await session.release()
  }
}

async function contender(name: string, graph: Graph, weights: (name: string) => Uint8Array) {
  const session = await openSession(graph, weights, { device: 'cpu' }, console.log)
  return { name, session, bytes: encodeModel(graph, weights).length }
}

function emitted(dense: Graph, q: StoredMatrix) {
  const scope = createScope(new Set(['x', 'w', 'y']), 20)
  const slot = { name: 'w', shape: [SIZE, SIZE], dtype: 'float32' as const, order: 'cols' as const }
  const { piece, replaced } = emitLayer(scope, slot, formOf(q), usesOf(dense).get('w'), 13, 'folded')
  const pieces = [...scope.shared.values(), piece]
  const nodes = [...pieces.flatMap((part) => part.nodes), ...dense.nodes.flatMap((own) => replaced.get(own) ?? [own])]
  const initializers = new Map(pieces.flatMap((part) => part.initializers.map((own) => [own.name, own] as const)))
  const payload = (name: string) => piece.payloads.get(name)?.(q) ?? new Uint8Array()
  return { graph: { ...dense, nodes, initializers }, payload }
}

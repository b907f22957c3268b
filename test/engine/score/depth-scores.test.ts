import { describe, expect, test } from 'vitest'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import type { Batch, Dataset } from '../../../src-main/engine/data/types.ts'
import { type Graph, type Initializer, node } from '../../../src-main/engine/graph/ir.ts'
import { identityDistance, ineffective, sumOfAngles } from '../../../src-main/engine/score/depth-diagnostics.ts'
import { measureScores } from '../../../src-main/engine/score/measure.ts'
import { normalizedError } from '../../../src-main/engine/score/nmse.ts'
import { imageData, quiet, residualNetwork } from './network.ts'

const matrix = (name: string, numbers: number[]): Initializer => ({
  ...{ name, dtype: 'float32', shape: [2, 2] },
  data: { inline: new Uint8Array(Float32Array.from(numbers).buffer) },
})

/** x -> x + xA -> ... + B, two numbers wide: what every score must come to can be worked out by hand. */
function chain(a: number[], b: number[], fingerprint: string): Network {
  const graph: Graph = {
    ...{ name: 'chain', irVersion: 8, opsets: new Map([['', 13]]), values: new Map(), functions: [] },
    ...{ metadata: new Map(), producer: 'test' },
    nodes: [
      node('MatMul', ['x', 'stem'], ['h0']),
      node('MatMul', ['h0', 'a'], ['f0']),
      node('Add', ['h0', 'f0'], ['h1']),
      node('MatMul', ['h1', 'b'], ['f1']),
      node('Add', ['h1', 'f1'], ['h2']),
      node('MatMul', ['h2', 'head'], ['logits']),
    ],
    inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 2] }],
    outputs: [{ name: 'logits', dtype: 'float32', shape: ['batch', 2] }],
    initializers: new Map(
      [matrix('stem', [1, 0, 0, 1]), matrix('a', a), matrix('b', b), matrix('head', [1, 0, 0, 1])].map((each) => [each.name, each]), // prettier-ignore
    ),
  }
  const blocks = ['a', 'b'].map((name, index) => ({ index, name, layers: [name], inputs: [`h${index}`] }))
  return { ...residualNetwork(), graph, layers: [], blocks, fingerprint }
}

function dataOf(rows: number[][]): Dataset {
  const data = imageData(rows.length)
  const batches = function* (): Generator<Batch> {
    yield {
      feeds: { x: { dtype: 'float32', dims: [rows.length, 2], data: Float32Array.from(rows.flat()) } },
      size: rows.length,
      targets: new Int32Array(rows.length),
    }
  }
  return { ...data, calibrate: { ...data.calibrate, batches }, fingerprint: `rows ${rows.join()}` }
}

const score = async (network: Network, dataset: Dataset, method: string, parameters = {}) => {
  const [result] = await measureScores({ network, dataset, device: 'cpu' }, [{ method, parameters }], quiet)
  if (!result) throw new Error('no result')
  return result
}

describe('normalized MSE', () => {
  test('of two blocks, one doubling the first number, one adding half of the second', async () => {
    // (3, 2) -> (6, 2) -> (6, 3). Without the first block (3, 3): 9 / 45; without the second (6, 2): 1 / 45.
    const { values, per } = await score(chain([1, 0, 0, 0], [0, 0, 0, 0.5], 'nmse'), dataOf([[3, 2]]), 'nmse')
    expect(per).toBe('block')
    expect(values.map(({ key }) => key)).toEqual(['0', '1'])
    expect(values[0]?.value).toBeCloseTo(9 / 45, 6)
    expect(values[1]?.value).toBeCloseTo(1 / 45, 6)
  })

  test('rows of padding do not count', () => {
    const [x, y] = [Float32Array.of(3, 4, 100, 100), Float32Array.of(3, 2, 0, 0)]
    const batch = { feeds: {}, size: 2, targets: Int32Array.of(0, -1) }
    expect(normalizedError([x], [y], [{ batch }])).toBeCloseTo(4 / 25, 12)
    expect(normalizedError([x], [x], [{ batch }])).toBe(0)
  })
})

describe('depth diagnostics', () => {
  test('of a block that doubles and one that turns by a quarter', async () => {
    // I + A = 2 I: J - I = I, no turn, four times the variance. I + B turns: |Rv - v| = sqrt(2) |v| for every v.
    const network = chain([1, 0, 0, 1], [-1, 1, -1, -1], 'turn')
    const { values, notes } = await score(network, dataOf([[3, 2], [-3, -2]]), 'depth') // prettier-ignore
    const [double, turn] = values.map(({ value, parts }): Record<string, number> => ({ value, ...parts }))
    expect(double?.value).toBeCloseTo(1, 3)
    expect(double).toMatchObject({ Jacobian: double?.value, angle: expect.closeTo(0, 3) as number })
    expect(double?.['variance growth']).toBeCloseTo(4, 5)
    expect(turn?.value).toBeCloseTo(Math.SQRT2, 3)
    expect(turn?.angle).toBeCloseTo(0.5, 5)
    expect(turn?.['variance growth']).toBeCloseTo(1, 5)
    expect(notes).toEqual(['No deep block does far less than the shallower half.'])
  })

  test('flags a deep block that does nothing', async () => {
    const { notes, values } = await score(chain([0, 1, -1, 0], [0.01, 0, 0, 0.01], 'idle'), dataOf([[3, 2], [1, 0]]), 'depth') // prettier-ignore
    expect(values[1]?.value).toBeCloseTo(0.01, 3)
    expect(notes).toEqual(['Deep blocks that do less than 50 % of what the shallower half does: 2.'])
    expect(ineffective(values, 0.001)).toEqual([])
  })

  test('one block that does very much does not make the others idle', () => {
    const of = (...all: number[]) =>
      all.map((x, key) => ({ key: `${key}`, value: x, parts: { Jacobian: x, angle: x } }))
    expect(ineffective(of(100, 1, 1, 1, 1, 0.4), 0.5)).toEqual(['5'])
    expect(ineffective(of(100, 1, 2, 4, 0.4), 0.5)).toEqual(['4'])
    expect(ineffective([], 0.5)).toEqual([])
  })

  test('the distance of a linear map is its Frobenius norm, in the mean over directions', async () => {
    // J - I = diag(3, 0, 0, 0): |J - I|_F / sqrt(4) = 1.5
    const map = (x: Float32Array) => Promise.resolve(x.map((value, i) => (i === 0 ? 4 * value : value)))
    const found = await identityDistance(Float32Array.of(1, -2, 0.5, 3), map, { probes: 4000, seed: 1 })
    expect(found).toBeGreaterThan(1.42)
    expect(found).toBeLessThan(1.58)
  })

  test('angles as shares of a half turn', () => {
    const tensor = (...data: number[]) => ({ dtype: 'float32' as const, dims: [data.length / 2, 2], data: Float32Array.from(data) }) // prettier-ignore
    const { sum, count } = sumOfAngles(tensor(1, 0, 1, 0, 0, 0, 2, 0), tensor(0, 3, -5, 0, 1, 1, 1, 1))
    expect(count).toBe(3)
    expect(sum).toBeCloseTo(0.5 + 1 + 0.25, 6)
  })
})

test('on a convolutional network both say something of every residual block', async () => {
  const network = residualNetwork()
  for (const method of ['nmse', 'depth']) {
    const { values } = await score(network, imageData(8), method)
    expect(values.map(({ key }) => key)).toEqual(['0', '1', '2'])
    for (const { value } of values) expect(value).toBeGreaterThan(0.01)
  }
})

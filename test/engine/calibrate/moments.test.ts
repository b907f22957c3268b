import { expect, test } from 'vitest'
import type { LayerInput } from '../../../src-main/engine/calibrate/inputs.ts'
import { createMoments, momentsGraph } from '../../../src-main/engine/calibrate/moments.ts'
import { random } from '../../../src-main/engine/data/random.ts'
import { type Graph, ints, node } from '../../../src-main/engine/graph/ir.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'

const seed = 19
const { normal } = random(seed)
const empty: Graph = {
  ...{ name: 'moments', irVersion: 10, opsets: new Map([['', 17]]), nodes: [], inputs: [], outputs: [], functions: [] },
  ...{ initializers: new Map(), values: new Map(), metadata: new Map(), producer: 'lathe' },
}
const rows = 2 // of the layer
interface Seen {
  x: number[][] // one column of the unfolded input each, in the original network
  now: number[][] // in the compressed one
  difference: number[][] // of what the residual adds
}

/** Plain sums over rows, about the means or not. */
function reference({ x, now, difference }: Seen, centred: boolean) {
  const mean = (a: number[][]) => a[0]!.map((_, i) => a.reduce((sum, row) => sum + row[i]!, 0) / a.length)
  const about = (a: number[][], b: number[][]) => {
    const [m, n] = [mean(a), mean(b)]
    const product = (i: number, j: number) => a.reduce((sum, row, k) => sum + row[i]! * b[k]![j]!, 0) / a.length
    return m.flatMap((left, i) => n.map((right, j) => product(i, j) - (centred ? left * right : 0)))
  }
  return { hessian: about(now, now), cross: about(x, now), rest: about(difference, now), mean: mean(x), meanNow: mean(now) } // prettier-ignore
}

async function measured(
  input: LayerInput,
  batches: { dims: number[]; sideDims: number[]; values: Float32Array[] }[],
  centred: boolean,
) {
  // prettier-ignore
  const session = await openSession(momentsGraph(empty, input, true), () => new Uint8Array(), { device: 'cpu' }, () => {}) // prettier-ignore
  const sums = createMoments(input.size, centred)
  for (const [index, { dims, sideDims, values }] of batches.entries()) {
    const tensor = (data: Float32Array, shape: number[]) => ({ dtype: 'float32' as const, dims: shape, data })
    const [then, now, side, sideNow] = values as [Float32Array, Float32Array, Float32Array, Float32Array]
    sums.add(await session.run({ then: tensor(then, dims), now: tensor(now, dims), side: tensor(side, sideDims), sideNow: tensor(sideNow, sideDims) }), index) // prettier-ignore
  }
  await session.release()
  return sums.finish()!.all
}

const drawn = (count: number, shift: number) => Float32Array.from({ length: count }, () => normal() + shift)
const matches = (found: Awaited<ReturnType<typeof measured>>, expected: ReturnType<typeof reference>) => {
  const close = (values: ArrayLike<number> | null, wanted: number[]) =>
    expect([...Array.from(values ?? [])]).toEqual(wanted.map((value) => expect.closeTo(value, 4)))
  close(found.hessian.data, expected.hessian)
  close(found.cross, expected.cross)
  close(found.rest, expected.rest)
  close(found.mean, expected.mean)
  close(found.meanNow, expected.meanNow)
}

test.each([true, false])(`moments of tokens equal plain sums, about the means: %s (seed ${seed})`, async (centred) => {
  const [size, dims] = [3, [2, 4, 3]]
  const input = { ...{ node: node('MatMul', ['v', 'w'], ['o']), size, kind: 'rows', rank: 3 }, layer: { rows, shape: [3, rows] } } as unknown as LayerInput // prettier-ignore
  const batches = [0, 1, 2].map(() => ({
    ...{ dims, sideDims: [2, 4, rows] },
    values: [drawn(24, 1), drawn(24, -1), drawn(16, 0.5), drawn(16, 0)],
  }))
  const split = (data: Float32Array, width: number) =>
    Array.from({ length: data.length / width }, (_, k) => [...data.subarray(k * width, (k + 1) * width)])
  const of = (at: number, width: number) => batches.flatMap(({ values }) => split(values[at]!, width))
  const [side, sideNow] = [of(2, rows), of(3, rows)]
  const seen = {
    ...{ x: of(0, size), now: of(1, size) },
    difference: side.map((row, k) => row.map((value, c) => value - sideNow[k]![c]!)),
  }
  matches(await measured(input, batches, centred), reference(seen, centred))
})

test(`moments of images are those of each place of the kernel, at the border zeros (seed ${seed})`, async () => {
  const [n, channels, h, w] = [2, 2, 4, 3]
  const size = channels * 9
  const conv = node('Conv', ['v', 'w'], ['o'], { pads: ints([1, 1, 1, 1]), kernel_shape: ints([3, 3]) })
  const input = { node: conv, size, kind: 'unfolded', rank: 4, layer: { rows, shape: [rows, channels, 3, 3] } } as unknown as LayerInput // prettier-ignore
  const counts = [n * channels * h * w, n * rows * h * w] as const
  const values = [drawn(counts[0], 1), drawn(counts[0], -1), drawn(counts[1], 0.5), drawn(counts[1], 0)]
  const at = (data: Float32Array, i: number, c: number, y: number, x: number, of: number) =>
    y < 0 || x < 0 || y >= h || x >= w ? 0 : data[((i * of + c) * h + y) * w + x]!
  const seen: Seen = { x: [], now: [], difference: [] }
  for (let i = 0; i < n; i++)
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++) {
        const column = (data: Float32Array) =>
          Array.from({ length: size }, (_, k) => at(data, i, Math.floor(k / 9), y + (Math.floor(k / 3) % 3) - 1, x + (k % 3) - 1, channels)) // prettier-ignore
        seen.x.push(column(values[0]!))
        seen.now.push(column(values[1]!))
        seen.difference.push([0, 1].map((r) => at(values[2]!, i, r, y, x, rows) - at(values[3]!, i, r, y, x, rows)))
      }
  const batches = [{ dims: [n, channels, h, w], sideDims: [n, rows, h, w], values }]
  matches(await measured(input, batches, true), reference(seen, true))
})

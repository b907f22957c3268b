import type { Network } from '../../checkpoint/network.ts'
import { floatToHalf } from '../../checkpoint/convert.ts'
import { random } from '../../data/random.ts'
import type { ValueInfo } from '../../graph/ir.ts'
import type { TensorValue } from '../../runtime/types.ts'

const SIZES = [16, 64, 224, 576, 1] // tried for unknown sizes, one after the other
const MOST_ELEMENTS = 2 ** 24

/** Guesses of inputs a network may take: known sizes as they are; unknown ones from a short list along the last axis and
 *  the axes of an image, else 1; seeded noise, token ids inside the vocabulary, other whole numbers 0 and 1. */
export function* noiseFeeds(network: Network): Generator<Record<string, TensorValue>> {
  const inputs = network.graph?.inputs ?? []
  const sizes = inputs.every(({ shape }) => shape?.slice(1).every((dim) => typeof dim === 'number')) ? [1] : SIZES
  for (const size of sizes) {
    const feeds = inputs.map((input, index): [string, TensorValue | null] => [
      input.name,
      noise(input, size, index + 1, network.head?.vocabulary ?? 2),
    ])
    if (feeds.some(([, value]) => value === null)) return
    yield Object.fromEntries(feeds.filter((feed): feed is [string, TensorValue] => feed[1] !== null))
  }
}

function noise({ shape, dtype }: ValueInfo, size: number, seed: number, integers: number): TensorValue | null {
  if (shape === null) return null
  const free = (axis: number) => axis > 0 && (axis === shape.length - 1 || (shape.length === 4 && axis === 2))
  const dims = shape.map((dim, axis) => (typeof dim === 'number' ? dim : free(axis) ? size : 1))
  const length = dims.reduce((product, dim) => product * dim, 1)
  if (length > MOST_ELEMENTS) return null
  const source = random(seed)
  const integer = () => Math.floor(source.uniform() * integers)
  const normal = () => Float32Array.from({ length }, () => source.normal())
  switch (dtype) {
    case 'float32':
      return { dtype, dims, data: normal() }
    case 'float16':
      return { dtype, dims, data: floatToHalf(normal()) }
    case 'float64':
      return { dtype, dims, data: Float64Array.from(normal()) }
    case 'int64':
      return { dtype, dims, data: BigInt64Array.from({ length }, () => BigInt(integer())) }
    case 'int32':
      return { dtype, dims, data: Int32Array.from({ length }, integer) }
    case 'uint8':
    case 'bool':
      return { dtype, dims, data: Uint8Array.from({ length }, () => Math.floor(source.uniform() * 2)) }
    default:
      return null
  }
}

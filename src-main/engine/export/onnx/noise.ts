import type { Network, TokenFacts } from '../../checkpoint/network.ts'
import { floatToHalf } from '../../checkpoint/convert.ts'
import { random } from '../../data/random.ts'
import { tokenNoise, tokensOf } from '../../data/tokens.ts'
import type { ValueInfo } from '../../graph/ir.ts'
import type { TensorValue } from '../../runtime/types.ts'

const SIZES = [16, 64, 224, 576, 1] // tried for unknown sizes, one after the other
const MOST_ELEMENTS = 2 ** 24

/** Guesses of inputs a network may take: known sizes as they are; unknown ones from a short list along the last axis and
 *  the axes of an image, else 1; seeded noise, token ids inside the vocabulary, other whole numbers 0 and 1. */
export function* noiseFeeds(network: Network): Generator<Record<string, TensorValue>> {
  const inputs = network.graph?.inputs ?? []
  const facts = tokensOf(network)
  const sizes = inputs.every(({ shape }) => shape?.slice(1).every((dim) => typeof dim === 'number')) ? [1] : SIZES
  for (const size of sizes) {
    const feeds = inputs.map((input, index): [string, TensorValue | null] => [
      input.name,
      noise(input, size + (facts?.image?.count ?? 0), index + 1, facts),
    ])
    if (feeds.some(([, value]) => value === null)) return
    yield Object.fromEntries(feeds.filter((feed): feed is [string, TensorValue] => feed[1] !== null))
  }
}

function noise(input: ValueInfo, size: number, seed: number, facts: TokenFacts | null): TensorValue | null {
  const { shape, dtype } = input
  if (shape === null) return null
  const free = (axis: number) => axis > 0 && (axis === shape.length - 1 || (shape.length === 4 && axis === 2))
  const dims = shape.map((dim, axis) => (typeof dim === 'number' ? dim : free(axis) ? size : 1))
  const length = dims.reduce((product, dim) => product * dim, 1)
  if (length > MOST_ELEMENTS) return null
  const source = random(seed)
  const token = tokenNoise(input, facts)
  let at = 0
  const integer = () => (token ? token(source, at++, dims[1] ?? 1) : Math.floor(source.uniform() * 2))
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

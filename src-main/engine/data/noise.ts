import { dirname } from 'node:path'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Network, TokenFacts } from '../checkpoint/network.ts'
import { floatToHalf } from '../checkpoint/convert.ts'
import type { ValueInfo } from '../graph/ir.ts'
import type { TensorValue } from '../runtime/types.ts'
import type { NoiseDescription, NoiseInput } from './description.ts'
import { badData, fingerprint } from './files.ts'
import { makePart, splitSamples } from './parts.ts'
import { random, type Random } from './random.ts'
import { noiseLength, tokenNoise, tokensOf } from './tokens.ts'
import type { Batch, Dataset } from './types.ts'

const mostElements = 2 ** 28

interface Maker {
  name: string
  dims: number[]
  make: (source: Random) => TensorValue
}

/** Symbols that lead an input are the batch: one sample at a time, unless told otherwise. */
const batchSymbols = (inputs: readonly ValueInfo[]): Record<string, number> =>
  Object.fromEntries(inputs.flatMap(({ shape }) => (typeof shape?.[0] === 'string' ? [[shape[0], 1]] : [])))

function shapeOf(
  input: ValueInfo,
  given: NoiseInput | undefined,
  description: NoiseDescription,
  file: string,
  tokens: number | null, // of a row, where nobody says
): number[] {
  if (given?.shape) return given.shape
  const unknown = (axis: number) =>
    badData(file, `the size of input "${input.name}" along axis ${axis} is not known`, {
      hint: `Add "inputs: { ${input.name}: { shape: [...] } }", or "dims: { name: size }" for its symbolic sizes.`,
      data: { field: `inputs.${input.name}`, found: `[${input.shape?.join(', ') ?? 'unknown'}]` },
    })
  if (input.shape === null) throw unknown(0)
  return input.shape.map((dim, axis) => {
    if (typeof dim === 'number') return dim
    const size = dim === null ? undefined : description.dims[dim]
    if (size !== undefined) return size
    if (axis === 0) return 1
    if (axis === 1 && tokens !== null) return tokens
    throw unknown(axis)
  })
}

const numbers = (given: NoiseInput | undefined, whole: boolean, source: Random): (() => number) => {
  if (given?.value !== undefined) return () => given.value ?? 0
  const low = given?.low ?? 0
  const high = given?.high ?? 1
  if (whole) return () => Math.floor(low + source.uniform() * (Math.max(high, low + 1) - low))
  if (given?.distribution === 'uniform') return () => low + source.uniform() * (high - low)
  return () => (given?.mean ?? 0) + (given?.deviation ?? 1) * source.normal()
}

function fill(dtype: ValueInfo['dtype'], count: number, next: () => number): TensorValue['data'] | null {
  const floats = () => Float32Array.from({ length: count }, next)
  switch (dtype) {
    case 'float32':
      return floats()
    case 'float64':
      return Float64Array.from({ length: count }, next)
    case 'float16':
      return floatToHalf(floats())
    case 'int64':
      return BigInt64Array.from({ length: count }, () => BigInt(Math.trunc(next())))
    case 'int32':
      return Int32Array.from({ length: count }, next)
    case 'int8':
      return Int8Array.from({ length: count }, next)
    case 'uint8':
      return Uint8Array.from({ length: count }, next)
    case 'bool':
      return Uint8Array.from({ length: count }, () => (next() === 0 ? 0 : 1))
    default:
      return null
  }
}

function makerFor(input: ValueInfo, description: NoiseDescription, file: string, facts: TokenFacts | null): Maker {
  const given = description.inputs[input.name]
  const ranged = given !== undefined && (given.value !== undefined || given.low !== 0 || given.high !== 1)
  const token = ranged ? null : tokenNoise(input, facts)
  const dims = shapeOf(input, given, description, file, token && facts && noiseLength(facts))
  const count = dims.reduce((product, dim) => product * dim, 1)
  if (count > mostElements) throw badData(file, `input "${input.name}" would have ${count} elements`)
  const whole = !input.dtype.startsWith('float')
  if (whole && given === undefined && token === null)
    throw badData(file, `input "${input.name}" takes whole numbers, and noise has no range for them`, {
      hint: `Add "inputs: { ${input.name}: { value: ... } }", or "low" and "high".`,
      data: { field: `inputs.${input.name}` },
    })
  return {
    name: input.name,
    dims,
    make(source) {
      let at = 0
      const next = token ? () => token(source, at++, dims[1] ?? 1) : numbers(given, whole, source)
      const data = fill(input.dtype, count, next)
      if (!data)
        throw new Fault('unsupported', `input "${input.name}" of type ${input.dtype} cannot be filled with noise`)
      return { dtype: input.dtype, dims, data }
    },
  }
}

/** Seeded noise for every input of a graph: for networks that come without data. Sample i depends on seed and i alone. */
export function openNoiseDataset(description: NoiseDescription, file: string, network: Network, all: boolean): Dataset {
  const { graph } = network
  if (!graph)
    throw new Fault('unsupported', `${network.path}: tensors only, nothing can be run`, {
      data: { file: network.path },
    })
  const foreign = Object.keys(description.inputs).find((name) => !graph.inputs.some((input) => input.name === name))
  if (foreign !== undefined)
    throw badData(file, `the network has no input "${foreign}"`, {
      data: { field: `inputs.${foreign}`, expected: graph.inputs.map((input) => input.name).join(', ') },
    })
  const sized = { ...description, dims: { ...batchSymbols(graph.inputs), ...description.dims } }
  const facts = tokensOf(network)
  const makers = graph.inputs.map((input) => makerFor(input, sized, file, facts))
  const load = (samples: readonly number[]): Batch => {
    const source = random(description.seed * 2 ** 20 + (samples[0] ?? 0))
    return {
      feeds: Object.fromEntries(makers.map((maker) => [maker.name, maker.make(source)])),
      size: 1,
      targets: null,
    }
  }
  const cut = splitSamples(description.samples, description.split, all, file)
  const part = (indices: readonly number[]) =>
    makePart({ indices, id: (sample) => `noise ${description.seed}#${sample}`, fixedBatch: 1, load })
  return {
    path: file,
    kind: 'noise',
    calibrate: part(cut.calibrate),
    evaluate: part(cut.evaluate),
    unit: 'noise samples',
    split: cut.words,
    details: Object.fromEntries(makers.map((maker) => [maker.name, `[${maker.dims.join(', ')}]`])),
    notices: [
      ...cut.notices,
      `Seeded noise instead of data (${dirname(file)}): only parity with the original is measured.`,
    ],
    fingerprint: fingerprint([description, all], []),
  }
}

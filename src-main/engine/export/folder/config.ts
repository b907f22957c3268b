import type { Json, JsonMap } from '../../checkpoint/json.ts'
import type { Network } from '../../checkpoint/network.ts'
import { configuredType, floatTypes, type FloatType, type TargetType } from './dtype.ts'
import { documentOf } from './json.ts'

const dropped = new Set(['quantization_config', 'compression_config'])
const typeFields = new Set(['torch_dtype', 'dtype'])

/** config.json of the export: the source's, with the float type that is written and the section that says how weights are
 *  packed, or none. Null where the source has no configuration. */
export function configFor(network: Network, target: TargetType, quantization: object | null): JsonMap | null {
  if (network.config === null) return null
  const type = target === 'source' ? configuredType(network) : target
  const changes = target !== 'source' || isPacked(network)
  const config = retyped(network.config, changes ? type : null) as JsonMap
  if (changes && ![...typeFields].some((field) => config.has(field))) config.set('torch_dtype', type)
  if (quantization !== null) config.set('quantization_config', documentOf(quantization))
  return config
}

const isPacked = ({ source }: Network): boolean =>
  [...source.tensors.values()].some(({ stored, dtype }) => stored !== undefined && dtype === 'float32')

/** A copy without packing sections, at any depth (towers of a vision-language model have sections of their own). */
function retyped(value: Json, type: FloatType | null): Json {
  if (!(value instanceof Map)) return value
  const copy: JsonMap = new Map()
  for (const [key, item] of value) {
    if (dropped.has(key)) continue
    const isType = typeFields.has(key) && floatTypes.some((each) => each === item)
    copy.set(key, isType && type !== null ? type : retyped(item, type))
  }
  return copy
}

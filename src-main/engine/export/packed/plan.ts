import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Network, TensorInfo } from '../../checkpoint/network.ts'
import { bitsOf } from '../../graph/ir.ts'
import { keepOption } from '../../quantize/options.ts'
import type { BytePlan } from '../define.ts'
import { type TargetType, writtenType } from '../folder/dtype.ts'
import { fixedBytes, type Shards, shardsOf, slotBytes } from '../folder/layout.ts'
import { type Offered, withOffered } from '../codings/offered.ts'
import { isCodedForm } from '../onnx/form.ts'
import { storedFormOf } from '../onnx/plan.ts'
import { type Entry, offsetDigits } from '../safetensors/layout.ts'
import type { PackedFormat, PackedParameters } from './format.ts'
import { moduleOf, packableLayers } from './linear.ts'

const GIGABYTE = 1e9

/** A tensor that is not packed, as it is written. */
export function keptEntry(network: Network, tensor: TensorInfo, target: TargetType): Entry {
  const { name, shape } = tensor
  const dtype = writtenType(network, tensor, target)
  return { name, dtype, shape, bytes: shape.reduce((product, size) => product * size, bitsOf[dtype]) / 8 }
}

/** Shards by the unpacked sizes, which no option changes. */
export const networkShards = (network: Network, target: TargetType, shardGb: number): Shards =>
  shardsOf(
    [...network.source.tensors.values()].map((tensor) => keptEntry(network, tensor, target)),
    shardGb * GIGABYTE,
  )

/** Bytes of every layer under every option, exact: the weight files are the base and one option of each layer. */
export function planPacked(
  format: PackedFormat,
  network: Network,
  asked: PackedParameters,
  all: boolean,
  offered?: Offered,
): BytePlan {
  const digits = offsetDigits(network)
  const { tensors } = network.source
  const kept = (name: string): number => {
    const tensor = tensors.get(name)
    if (tensor === undefined) throw new Fault('internal', `no tensor ${name}`)
    return slotBytes(network, [keptEntry(network, tensor, asked.dtype)], digits)
  }
  const layers = packableLayers(network).map((layer) => {
    const own = format.optionsOf(layer, network, all ? null : asked)
    const known = withOffered(own, layer, offered, (form) => format.coded?.misfit(form) === null)
    const options = known.flatMap((option) => {
      const form = storedFormOf(layer, option)
      const entries = isCodedForm(form)
        ? format.coded?.entriesOf(moduleOf(layer.name), form)
        : format.misfit(form) === null
          ? format.entriesOf(moduleOf(layer.name), form)
          : undefined
      return entries === undefined ? [] : [{ ...option, bytes: slotBytes(network, entries, digits) }]
    })
    return { name: layer.name, options: [...options, { ...keepOption, bytes: kept(layer.name) }] }
  })
  const decided = new Set(layers.map(({ name }) => name))
  const base = [...tensors.keys()].filter((name) => !decided.has(name)).reduce((sum, name) => sum + kept(name), 0)
  return { baseBytes: fixedBytes(networkShards(network, asked.dtype, asked.shardGb)) + base, layers }
}

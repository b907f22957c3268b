import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Network } from '../../checkpoint/network.ts'
import { optionsFor } from '../../quantize/options.ts'
import type { BytePlan } from '../define.ts'
import { type Offered, withOffered } from '../codings/offered.ts'
import { storedFormOf } from '../onnx/plan.ts'
import {
  describeWeight,
  endingsOf,
  type Entry,
  fixedHeader,
  headerShare,
  offsetDigits,
  partsOf,
  slotsOf,
} from './layout.ts'

const bytesOf = (entries: readonly Entry[]): number => entries.reduce((sum, { bytes }) => sum + bytes, 0)

/** Faults 'unsupported' for a checkpoint of another format, naming what to use for it. */
export function requireSafetensors(network: Network): void {
  if (network.format !== 'onnx') return
  throw new Fault('unsupported', `${network.path} is an ONNX model; packed safetensors has no place for its graph.`, {
    hint: 'Export it as ONNX (format "onnx" or "onnx-folded").',
    data: { file: network.path, field: 'format', expected: 'safetensors, gguf or pytorch', found: network.format },
  })
}

/** Bytes of every weight under every option, exact: the file is the base and one option of each. (A layer whose scales
 *  need float32 takes more than its option says; quantize/grid.ts tells when.) */
export function planBytes(network: Network, offered?: Offered): BytePlan {
  requireSafetensors(network)
  const endings = endingsOf(network)
  const digits = offsetDigits(network)
  const slots = slotsOf(network)
  const decided = new Set(slots.map(({ name }) => name))
  const others = [...network.source.tensors.values()].filter(({ name }) => !decided.has(name))
  const layers = slots.map((layer) => {
    const tensor = network.source.tensors.get(layer.name)
    if (tensor === undefined) throw new Fault('internal', `no tensor ${layer.name}`)
    const options = withOffered(optionsFor(layer), layer, offered, () => true).map((option) => {
      if (option.method === 'keep') return { ...option, bytes: headerShare([tensor], digits) + tensor.bytes }
      const form = storedFormOf(layer, option)
      const parts = partsOf(layer.name, form, endings)
      return { ...option, bytes: headerShare(parts, digits, describeWeight(layer, tensor, form)) + bytesOf(parts) }
    })
    return { name: layer.name, options }
  })
  return { baseBytes: fixedHeader(network, endings) + headerShare(others, digits) + bytesOf(others), layers }
}

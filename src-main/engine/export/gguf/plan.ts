import type { Option } from '../../../../src-preload/contract/plan.ts'
import type { Network } from '../../checkpoint/network.ts'
import { type GgmlType, rowBytes, writableTypes } from '../../kernels/ggml/types.ts'
import { keepOption } from '../../quantize/options.ts'
import { blockTypeOfOption } from '../codings/gguf.ts'
import type { Offered } from '../codings/offered.ts'
import type { BytePlan } from '../define.ts'
import { chooseTypes, tensorBytes } from './choose.ts'
import { encodeHead, padded } from './container.ts'
import { metadataOf } from './head.ts'
import { type GgufTensor, layoutOf, type Part } from './layout.ts'
import { fits, ggmlOption, isFloat } from './types.ts'

/** Bytes of every weight under every type that fits its rows, exact: the file is the base and one option of each. (All
 *  experts of a block share a tensor; the bytes hold when they share a type, else it takes the widest.) */
export function planBytes(network: Network, offered?: Offered): BytePlan {
  const layout = layoutOf(network)
  const kept = chooseTypes(network, layout, { artifacts: [] })
  const entries = kept.map(({ tensor, type }) => ({ name: tensor.name, shape: tensor.shape, type, offset: 0 }))
  let baseBytes = encodeHead(metadataOf(network, layout, kept, null), entries).length
  const layers: BytePlan['layers'] = []
  for (const { tensor, type, bytes } of kept) {
    if (!tensor.free || !tensor.parts.some(({ layer }) => layer?.compressible === true)) {
      baseBytes += padded(bytes)
      continue
    }
    for (const part of tensor.parts) {
      const size = (as: GgmlType) => partBytes(tensor, part, as)
      const options = optionsOf(tensor, type).map((option) => ({ ...option, bytes: size(option.type) }))
      const coded = (part.layer?.compressible === true ? (offered?.(part.layer) ?? []) : []).flatMap((option) => {
        const as = blockTypeOfOption(option, tensor.cols)
        return as === null ? [] : [{ ...option, bytes: size(as) }]
      })
      layers.push({
        name: part.info.name,
        options: [...options.map(({ type: _, ...option }) => option), ...coded, { ...keepOption, bytes: size(type) }],
      })
    }
  }
  return { baseBytes, layers }
}

/** A part's share of its tensor; the padding counts with the first part. */
function partBytes(tensor: GgufTensor, part: Part, type: GgmlType): number {
  const whole = tensorBytes(tensor, type)
  return part.rows * rowBytes(type, tensor.cols) + (part === tensor.parts[0] ? padded(whole) - whole : 0)
}

function optionsOf({ cols }: GgufTensor, kept: GgmlType): (Option & { type: GgmlType })[] {
  const fitting = writableTypes.filter((type) => type !== kept && fits(type, cols))
  const plain = fitting.map((type) => ({ ...ggmlOption(type), type }))
  const weighted = fitting.filter((type) => !isFloat(type)).map((type) => ({ ...ggmlOption(type, true), type }))
  return [...plain, ...weighted]
}

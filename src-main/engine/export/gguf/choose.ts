// What every tensor of the file is written as, and from what.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Option } from '../../../../src-preload/contract/plan.ts'
import type { Network } from '../../checkpoint/network.ts'
import { bitsPerWeight, type GgmlType, rowBytes } from '../../kernels/ggml/types.ts'
import type { Artifact } from '../../protocol.ts'
import type { ExportArguments } from '../define.ts'
import { blockTypeOfOption } from '../codings/gguf.ts'
import { padded } from './container.ts'
import { packedGridType } from './grid.ts'
import type { GgufTensor, Layout, Part } from './layout.ts'
import { fits, isFloat, keptType, typeOfOption } from './types.ts'

export interface ChosenPart {
  part: Part
  /** What was asked for this part. Narrower than the tensor's type where the parts disagree. */
  type: GgmlType
  artifact?: Artifact
  option?: Option
}

export interface ChosenTensor {
  tensor: GgufTensor
  type: GgmlType
  parts: ChosenPart[]
  bytes: number // without padding
}

export type Choices = Pick<ExportArguments, 'artifacts' | 'options'>

export const tensorBytes = ({ rows, cols }: GgufTensor, type: GgmlType): number => rows * rowBytes(type, cols)

/** The type a part is kept in: its own where the tensor may have any. */
export const keptPart = ({ free }: GgufTensor, { info }: Part, network: Network): GgmlType =>
  free ? keptType(info, network) : 'F32'

/** Types of all tensors. Faults 'bad-arguments' for options and artifacts that GGUF has no place for. */
export function chooseTypes(network: Network, layout: Layout, { artifacts, options }: Choices): ChosenTensor[] {
  const artifactOf = new Map(artifacts.map((artifact) => [artifact.layer, artifact]))
  const used = new Set<string>()
  const chosen = layout.tensors.map((tensor): ChosenTensor => {
    const parts = tensor.parts.map((part): ChosenPart => {
      const name = part.info.name
      const artifact = artifactOf.get(name)
      const option = artifact?.option ?? options?.get(name)
      const type = typeOfPart(network, tensor, part, option)
      if (option === undefined || option.method === 'keep') return { part, type }
      used.add(name)
      return artifact ? { part, artifact, option, type } : { part, option, type }
    })
    // All experts of a block share a tensor, which has one type: the widest that any of them asks for.
    const type = parts.reduce<GgmlType>(
      (widest, each) => (bitsPerWeight(each.type) > bitsPerWeight(widest) ? each.type : widest),
      parts[0]?.type ?? 'F32',
    )
    return { tensor, type, parts, bytes: tensorBytes(tensor, type) }
  })
  const asked = [...artifactOf.keys(), ...[...(options ?? [])].filter(([, { method }]) => method !== 'keep').map(([name]) => name)] // prettier-ignore
  for (const name of asked) {
    if (!used.has(name))
      throw new Fault('bad-arguments', `${name} is no weight of ${network.name} that GGUF can compress.`, {
        data: { file: network.path, tensor: name },
      })
  }
  return chosen
}

function typeOfPart(network: Network, tensor: GgufTensor, part: Part, option: Option | undefined): GgmlType {
  if (option === undefined || option.method === 'keep') return keptPart(tensor, part, network)
  const { name } = part.info
  const refuse = (why: string): Fault =>
    new Fault('bad-arguments', `${name}: option ${option.id} cannot be written as GGUF: ${why}.`, {
      hint: 'Plan for the format "gguf": its options are what such a file can hold.',
      data: { tensor: name, found: option.id },
    })
  if (!tensor.free) throw refuse('llama.cpp wants this tensor as float32')
  const type = typeOfOption(option) ?? blockTypeOfOption(option, tensor.cols)
  if (type === null) {
    const packed = packedGridType(option, tensor.cols)
    if (packed === null) throw refuse('no block type has such a grid')
    return packed
  }
  if (!fits(type, tensor.cols) && !isFloat(type)) throw refuse(`rows of ${tensor.cols} weights are no whole blocks`)
  return type
}

/** Offsets in file order, and where the data ends. */
export function placeTensors(chosen: readonly ChosenTensor[]): { offsets: number[]; end: number } {
  let end = 0
  const offsets = chosen.map(({ bytes }) => {
    const offset = end
    end += padded(bytes)
    return offset
  })
  return { offsets, end }
}

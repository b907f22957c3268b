import { z } from 'zod'
import type { Option } from '../../../../src-preload/contract/plan.ts'
import type { JsonMap } from '../../checkpoint/json.ts'
import type { Layer, Network } from '../../checkpoint/network.ts'
import type { CodedForm, CodedMatrix } from '../../quantize/codings/define.ts'
import type { QuantizedMatrix } from '../../quantize/types.ts'
import type { CardSubject } from '../card/card.ts'
import type { WeightForm } from '../onnx/form.ts'
import type { HoldsRounding } from '../rounding.ts'
import type { Entry } from '../safetensors/layout.ts'

/** Packed layers by weight name. */
export type Forms = ReadonlyMap<string, WeightForm>
export type CodedForms = ReadonlyMap<string, CodedForm>

export interface PackedParameters {
  bits: number
  groupSize: number // 0: one scale an output
  symmetric: boolean
  dtype: 'float16' | 'bfloat16'
  shardGb: number
}

/** One layout of packed linear layers in a Hugging Face folder. */
export interface PackedFormat {
  id: string
  title: string
  /** What a layer can be packed as, without 'keep'; `asked` are the parameters of a plain conversion. */
  optionsOf(layer: Layer, network: Network, asked: PackedParameters | null): Option[]
  /** What a plain conversion does to a layer; null keeps it. */
  choose(layer: Layer, network: Network, asked: PackedParameters): Option | null
  /** Why the layout cannot hold a weight of this form; null where it can. */
  misfit(form: WeightForm): string | null
  /** The same of all packed layers together. */
  misfits?(forms: Forms): string | null
  entriesOf(module: string, form: WeightForm): Entry[]
  pack(q: QuantizedMatrix, entry: Entry, module: string, forms: Forms): Uint8Array
  /** `quantization_config`, and files of older loaders. */
  settings(
    network: Network,
    forms: Forms,
    coded: CodedForms,
  ): { quantization: object; sideFiles?: { name: string; content: JsonMap }[] }
  /** What a person must know about the folder. */
  warnings(forms: Forms, coded: CodedForms): string[]
  loads: CardSubject['loads']
  /** The layout for a network whose activations are rounded, and whether it can hold that; absent: weights alone. */
  activations?: { holds: HoldsRounding; formatFor(format: PackedFormat, network: Network): PackedFormat }
  /** Weights in codings of their own; absent where the layout holds none. */
  coded?: {
    misfit(form: CodedForm): string | null
    entriesOf(module: string, form: CodedForm): Entry[]
    pack(m: CodedMatrix, entry: Entry, module: string): Uint8Array
  }
}

/** Parameters that all packed formats share. */
export const packedParameters = {
  dtype: z
    .enum(['float16', 'bfloat16'])
    .default('float16')
    .describe('Float type of everything that is not packed; scales are float16, which bfloat16 programs round'),
  shardGb: z.number().positive().max(1000).default(5).describe('Largest file, in GB of unpacked weights'),
}

/** Two layers with the same key are packed alike. */
export const schemeOf = ({ bits, groupSize, groups, symmetric }: WeightForm): string =>
  `${bits} bits, ${groups === 1 ? 'channel' : `groups of ${groupSize}`}, ${symmetric ? 'symmetric' : 'affine'}`

export const entryOf = (name: string, dtype: Entry['dtype'], shape: number[], elementBytes: number): Entry => ({
  ...{ name, dtype, shape },
  bytes: shape.reduce((product, size) => product * size, elementBytes),
})

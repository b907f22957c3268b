// Codings that compressed-tensors knows, as its pieces beside a linear layer p (drawn in checkpoint/packed/scales.ts and fp4.ts):
//
//   fp8 (e4m3)  p.weight F8_E4M3 [outputs, inputs]          p.weight_scale F32 [outputs, 1], or [1] for the tensor
//   nvfp4       p.weight_packed U8 [outputs, inputs / 2]    p.weight_scale F8_E4M3 [outputs, inputs / 16]
//               p.weight_global_scale F32 [1], which divides
//   mxfp4       p.weight_packed U8 [outputs, inputs / 2]    p.weight_scale U8 [outputs, inputs / 32], 2^(e - 127)
//
// Source: compressed-tensors, compressors/nvfp4 and mxfp4, quantization/quant_scheme.py (FP8, NVFP4A16, MXFP4A16).
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { CodedForm, CodedMatrix } from '../../quantize/codings/define.ts'
import { entryOf } from '../packed/format.ts'
import type { Entry } from '../safetensors/layout.ts'

interface Scheme {
  format: string
  misfit(form: CodedForm): string | null
  /** Pieces: ending, part of the coding, type and shape. */
  pieces(form: CodedForm): [ending: string, part: string, dtype: Entry['dtype'], shape: number[], bytes: number][]
  weights(form: CodedForm): Record<string, unknown>
}

const rowsOf = (size: number) => (form: CodedForm): string | null =>
  form.cols % size === 0 ? null : `groups of ${size} do not divide ${form.cols} inputs` // prettier-ignore

const schemes: Readonly<Record<string, Scheme>> = {
  fp8: {
    format: 'float-quantized',
    misfit({ settings }) {
      if (settings.type !== 'e4m3') return 'its 8-bit floats are e4m3'
      return settings.granularity === 'group' ? 'it knows 8-bit floats with one scale an output or tensor' : null
    },
    pieces: ({ rows, cols, settings }) => [
      ['weight', 'codes', 'float8e4m3fn', [rows, cols], 1],
      ['weight_scale', 'scales', 'float32', settings.granularity === 'tensor' ? [1] : [rows, 1], 4],
    ],
    weights: ({ settings }) => ({ num_bits: 8, strategy: settings.granularity, group_size: null }),
  },
  nvfp4: {
    format: 'nvfp4-pack-quantized',
    misfit: rowsOf(16),
    pieces: ({ rows, cols }) => [
      ['weight_packed', 'codes', 'uint8', [rows, cols / 2], 1],
      ['weight_scale', 'scales', 'float8e4m3fn', [rows, cols / 16], 1],
      ['weight_global_scale', 'divisor', 'float32', [1], 4],
    ],
    weights: () => ({ num_bits: 4, strategy: 'tensor_group', group_size: 16 }),
  },
  mxfp4: {
    format: 'mxfp4-pack-quantized',
    misfit: rowsOf(32),
    pieces: ({ rows, cols }) => [
      ['weight_packed', 'codes', 'uint8', [rows, cols / 2], 1],
      ['weight_scale', 'scales', 'uint8', [rows, cols / 32], 1],
    ],
    weights: () => ({ num_bits: 4, strategy: 'group', group_size: 32, scale_dtype: 'torch.uint8' }),
  },
}

const schemeFor = ({ coding }: CodedForm): Scheme | undefined =>
  Object.hasOwn(schemes, coding) ? schemes[coding] : undefined

/** Why the format cannot hold such a weight; null where it can. */
export function misfitCoded(form: CodedForm): string | null {
  const scheme = schemeFor(form)
  return scheme === undefined ? `it knows no coding "${form.coding}"` : scheme.misfit(form)
}

function known(form: CodedForm): Scheme {
  const scheme = schemeFor(form)
  if (scheme === undefined) throw new Fault('internal', `compressed-tensors without a scheme for ${form.coding}`)
  return scheme
}

export const codedEntries = (module: string, form: CodedForm): Entry[] =>
  known(form)
    .pieces(form)
    .map(([ending, , dtype, shape, bytes]) => entryOf(`${module}.${ending}`, dtype, shape, bytes))

export function packCoded(m: CodedMatrix, { name }: Entry, module: string): Uint8Array {
  const piece = known(m)
    .pieces(m)
    .find(([ending]) => name === `${module}.${ending}`)
  const part = piece && m.parts[piece[1]]
  if (!part) throw new Fault('internal', `${name} is no piece of a coded layer.`)
  return part.data
}

/** `format` and `weights` of the scheme in the settings. */
export const codedScheme = (form: CodedForm): { format: string; weights: object } => ({
  format: known(form).format,
  weights: {
    ...{ type: 'float', symmetric: true, block_structure: null, dynamic: false, actorder: null },
    ...{ observer: 'minmax', observer_kwargs: {} },
    ...known(form).weights(form),
  },
})

/** Two layers with the same key are packed alike. */
export const codedKey = ({ coding, settings }: CodedForm): string =>
  coding === 'fp8' ? `${coding}, ${settings.granularity}` : coding

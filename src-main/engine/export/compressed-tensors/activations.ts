// Linear layers whose inputs are rounded, too, as vLLM runs them with integer or FP8 products:
//
//   W8A8  "int-quantized"    p.weight I8 [outputs, inputs]        p.weight_scale F16 or F32 [outputs, 1]
//         input_activations: 8-bit integers, symmetric, one scale per token, dynamic
//   FP8   "float-quantized"  p.weight F8_E4M3 (codings/)          input_activations: 8-bit floats, per token, dynamic
//
// Source: vLLM, compressed_tensors.py, _is_dynamic_token_w8a8 and _is_fp8_w8a8: weights per output or tensor, symmetric; with
// other weights it runs the layer with float activations and says nothing, so those are refused here.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Network, Rounding } from '../../checkpoint/network.ts'
import { encodeScales } from '../../kernels/float16.ts'
import type { QuantizedMatrix } from '../../quantize/types.ts'
import { rtnOption } from '../../quantize/options.ts'
import { misfitCoded } from '../codings/compressed-tensors.ts'
import type { WeightForm } from '../onnx/form.ts'
import { entryOf, type PackedFormat } from '../packed/format.ts'
import { packableLayers } from '../packed/linear.ts'
import { withTwins } from '../packed/options.ts'
import type { Entry } from '../safetensors/layout.ts'

const roundingOf = ({ rounding = [] }: Network): Rounding | undefined =>
  rounding.find(({ what }) => what === 'activations')

/** 8-bit integers or e4m3 floats, one dynamic scale per token, of exactly the layers that are packed. */
export function holdsRounding(rounding: Rounding, network: Network): string | null {
  const { what, type, bits, scale, dynamic, symmetric, layers, float } = rounding
  if (what !== 'activations') return 'the folder says nothing of them'
  if (bits !== 8 || scale !== 'token' || !dynamic || !symmetric || (type === 'float' && float !== 'e4m3'))
    return 'it holds 8-bit integers or e4m3 floats with one scale per token, found while running'
  if (network.rounding?.some((other) => other !== rounding && other.what === 'activations'))
    return 'it holds one such method'
  const packable = new Set(packableLayers(network).map(({ name }) => name))
  const other = layers.find((layer) => !packable.has(layer))
  if (other !== undefined) return `it cannot tell of what enters ${other}, which it does not pack`
  const missing = [...packable].find((layer) => !layers.includes(layer))
  return missing === undefined ? null : `it would round what enters ${missing}, too`
}

/** `input_activations` of the settings; null where activations stay floats. Faults where a layer is kept whose input is
 *  rounded: a kept layer multiplies float activations. */
export function activationsOf(network: Network, packed: ReadonlySet<string>): object | null {
  const rounding = roundingOf(network)
  if (rounding === undefined) return null
  const kept = rounding.layers.find((layer) => !packed.has(layer))
  if (kept !== undefined)
    throw new Fault(
      'unsupported',
      `${kept} is kept as floats, and a compressed-tensors folder then keeps its input, too.`,
      {
        hint: 'Give it 8 bits, or leave it out of the rounded activations (parameter "only").',
        data: { file: network.path, tensor: kept },
      },
    )
  return {
    ...{ num_bits: 8, type: rounding.type, symmetric: true, strategy: 'token', group_size: null },
    ...{ block_structure: null, dynamic: true, actorder: null, observer: null, observer_kwargs: {} },
  }
}

const eightBits: Partial<PackedFormat> = {
  optionsOf: () => withTwins([rtnOption(8, null, true)]),
  choose: () => rtnOption(8, null, true),
  misfit: ({ bits, symmetric, groups }) =>
    bits === 8 && symmetric && groups === 1
      ? null
      : 'with integer activations its weights have 8 bits and one symmetric scale an output',
  entriesOf: (module, { rows, cols, scaleType }: WeightForm) => [
    entryOf(`${module}.weight`, 'int8', [rows, cols], 1),
    entryOf(`${module}.weight_scale`, scaleType, [rows, 1], scaleType === 'float16' ? 2 : 4),
  ],
  pack(q: QuantizedMatrix, { name }: Entry, module: string) {
    // Codes are unsigned around 128; the format's are signed around 0.
    if (name === `${module}.weight`) return q.codes.map((code) => code ^ 0x80)
    return encodeScales(q.scales, q.scaleType)
  },
}

const why = 'with FP8 activations its weights are FP8, one scale an output or tensor'

/** The layout for a network whose activations are rounded. */
export function withActivations(format: PackedFormat, network: Network): PackedFormat {
  const rounding = roundingOf(network)
  if (rounding === undefined) return format
  const { coded, ...rest } = format
  if (rounding.type === 'int') return { ...rest, ...eightBits }
  if (!coded) return format
  const misfit: typeof misfitCoded = (form) => (form.coding === 'fp8' ? misfitCoded(form) : why)
  return { ...format, optionsOf: () => [], choose: () => null, misfit: () => why, coded: { ...coded, misfit } }
}

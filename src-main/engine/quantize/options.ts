import type { Option } from '../../../src-preload/contract/plan.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Layer } from '../checkpoint/network.ts'
import type { QuantizeContext, Quantizer } from './define.ts'
import { compressorOf, compressors } from './compressors.ts'
import { rowsOf, type WeightRows } from './rows.ts'
import type { CompressedMatrix, WeightMatrix } from './types.ts'

export const keepOption: Option = { id: 'keep', method: 'keep', bits: 32, parameters: {} }

export const optionWidths = [2, 3, 4, 5, 6, 7, 8] as const

const LARGE_CONVOLUTION = 1024 // weights per output channel from which one scale a channel costs more than groups

/** Everything that can be done to a layer: keep it, or round it to 2..8 bits at the granularity that gave the least
 *  error per byte on real networks. Measured there, in dB of weight error at equal bytes:
 *   - symmetric beats or ties affine at 2 to 4 bits (a signed, searched scale makes up for the zero point, whose bytes
 *     it saves) and loses 0.3 dB above on linear layers; convolutions, which lose 0.6 dB, get affine at 4 to 6 bits too;
 *   - groups of 64 beat groups of 32 by 0.6 to 1.1 dB, and cost 0.6 dB at most against 128 or whole rows at 2 bits;
 *   - convolutions per output channel lie within 0.1 dB of groups at 3 bits, 0.5 dB at 4.
 *  Groups of 32 follow for 2 to 5 bits as half steps between widths: they gain about as much per byte as the next bit, without
 *  another form in the file. On stories260K at the bytes of uniform 4 bits they took the mix from KL 0.1535 to 0.1480.
 *  Convolutions get groups of 64 and 32 beside whole channels at 3 to 5 bits: 0.5 dB at 4 bits is what separates some from
 *  their accuracy.
 *  The first option of a width is the one that uniform plans take. */
export function optionsFor(layer: Layer): Option[] {
  if (!layer.compressible) return [keepOption]
  const groupSize = groupSizeOf(layer)
  const few = optionWidths.filter((bits) => bits <= 5)
  const grouped = groupSize === null && layer.role !== 'recurrent' ? [64, 32].filter((size) => layer.cols > size) : []
  const finer =
    groupSize === 64
      ? few.map((bits) => rtnOption(bits, 32))
      : grouped.flatMap((size) => [3, 4, 5].map((bits) => rtnOption(bits, size)))
  const affine = groupSize === null ? [4, 5, 6].map((bits) => rtnOption(bits, null, false)) : []
  return [...optionWidths.map((bits) => rtnOption(bits, groupSize)), ...finer, ...affine, keepOption]
}

/** rtn at a width; groupSize null: one scale an output channel. Ids: 'rtn-4-g64', 'rtn-4-channel'. */
export function rtnOption(bits: number, groupSize: number | null, symmetric = true): Option {
  return {
    id: `rtn-${bits}-${groupSize === null ? 'channel' : `g${groupSize}`}${symmetric ? '' : '-affine'}`,
    method: 'rtn',
    bits,
    parameters: {
      granularity: groupSize === null ? 'channel' : 'group',
      ...(groupSize === null ? {} : { groupSize }),
      symmetric,
      search: 'mse',
    },
  }
}

function groupSizeOf({ role, cols, op }: Layer): number | null {
  if (role === 'recurrent') return null
  if (role === 'conv' || role === 'depthwise' || op === 'Conv' || op === 'ConvTranspose')
    return cols >= LARGE_CONVOLUTION ? 128 : null
  if (cols < 32) return null
  // A power of two, as MatMulNBits wants; it pads the last group to full length, so 96 columns take 3 x 32, not 2 x 64.
  const paddedBits = (size: number) => Math.ceil(cols / size) * (size * 4 + 16)
  return paddedBits(64) <= paddedBits(32) ? 64 : 32
}

export function quantizerOf(option: Pick<Option, 'method'>, layer: string): Quantizer {
  const quantizer = compressorOf(option.method)
  if (quantizer) return quantizer
  throw new Fault('bad-arguments', `Layer ${layer}: there is no quantizer "${option.method}".`, {
    hint: `Known: ${compressors.map(({ id }) => id).join(', ')}. "keep" needs no quantizer.`,
  })
}

/** Carries out an option other than keep. `matrix` is [rows, cols] in memory, or read row block by row block. */
export async function applyOption(
  matrix: WeightMatrix | WeightRows,
  option: Option,
  context: QuantizeContext = { layer: 'weight' },
): Promise<CompressedMatrix> {
  const source = 'read' in matrix ? matrix : rowsOf(matrix)
  return quantizerOf(option, context.layer).apply(source, { ...option.parameters, bits: option.bits }, context)
}

/** The same for methods that need weights only and answer at once, as plain conversion does. */
export function applyPlain(
  matrix: WeightMatrix | WeightRows,
  option: Option,
  context: QuantizeContext = { layer: 'weight' },
): CompressedMatrix {
  const source = 'read' in matrix ? matrix : rowsOf(matrix)
  const parameters = { ...option.parameters, bits: option.bits }
  const made = quantizerOf(option, context.layer).apply(source, parameters, context)
  if (!(made instanceof Promise)) return made
  throw new Fault('unsupported', `Layer ${context.layer}: ${option.id} needs a run, not a plain conversion.`)
}

import { encodeSafetensors } from '../../../src-main/engine/checkpoint/safetensors.ts'
import { readSafetensorsHeader, safetensorsTypes } from '../../../src-main/engine/checkpoint/safetensors-header.ts'
import { bytesRange } from '../../../src-main/engine/checkpoint/onnx/wire.ts'
import type { FuzzTarget } from '../target.ts'

const floats = (count: number) => new Uint8Array(count * 4)

export const safetensors: FuzzTarget = {
  name: 'safetensors',
  seeds: () => [
    encodeSafetensors({ w: { dtype: 'float32', shape: [2, 3], data: floats(6) } }),
    encodeSafetensors(
      {
        'model.embed.weight': { dtype: 'float32', shape: [4, 2], data: floats(8) },
        'model.norm.weight': { dtype: 'bfloat16', shape: [2], data: new Uint8Array(4) },
        empty: { dtype: 'int64', shape: [0, 4], data: new Uint8Array(0) },
        scalar: { dtype: 'uint8', shape: [], data: new Uint8Array(1) },
      },
      { format: 'pt', note: 'a "quoted" text' },
    ),
    encodeSafetensors({}),
  ],
  run: (bytes) => void readSafetensorsHeader(bytesRange(bytes, 'fuzz.safetensors')),
  dictionary: [
    ...safetensorsTypes.keys(),
    '"dtype":',
    '"shape":',
    '"data_offsets":',
    '"__metadata__":',
    '"__proto__":',
    '"constructor":',
    '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
    '9007199254740993',
    '18446744073709551615',
    '-0',
    '1e3',
    '[[[[',
    '{"a":',
    '\\ud800',
    '\\u0000',
  ],
  /** The length in front fits the header again: up to the last brace. */
  mend(bytes) {
    const end = bytes.lastIndexOf(0x7d)
    if (end < 8) return bytes
    new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(0, BigInt(end + 1 - 8), true)
    return bytes
  },
}

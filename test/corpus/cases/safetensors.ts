import { encodeSafetensors } from '../../../src-main/engine/checkpoint/safetensors.ts'
import { rawSafetensors } from '../../engine/checkpoint/raw.ts'
import { file, lfsPointer, type Make } from './make.ts'

type Entry = { dtype?: string; shape?: unknown; data_offsets?: unknown }
const st = (header: string | Uint8Array, dataBytes = 0, claimed?: bigint): Make =>
  file('model.safetensors', () => rawSafetensors(header, dataBytes, claimed))
const entry = (parts: Entry = {}) => ({ dtype: 'F32', shape: [2], data_offsets: [0, 8], ...parts })
const one = (parts: Entry, dataBytes = 8): Make => st(JSON.stringify({ t: entry(parts) }), dataBytes)
const offsets = (literal: string): Make => st(`{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,${literal}]}}`, 8)

const pair = { a: entry(), b: entry({ data_offsets: [8, 16] }) }
const many = (count: number) =>
  JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, i) => [`t${i}`, entry()])))
const good = () =>
  encodeSafetensors({ a: { dtype: 'float32', shape: [64, 32], data: new Uint8Array(64 * 32 * 4) } }, { format: 'pt' })

export const safetensorsCases: Record<string, Make> = {
  'ST01-empty': file('model.safetensors', ''),
  'ST01-one-byte': file('model.safetensors', Uint8Array.of(1)),
  'ST01-seven-bytes': file('model.safetensors', new Uint8Array(7)),
  'ST02-header-limit': st('{}', 0, 100_000_001n),
  'ST02-sign-bit': st('{}', 0, 1n << 63n),
  'ST02-all-ones': st('{}', 0, (1n << 64n) - 1n),
  'ST03-header-beyond-file': st('{}', 0, 3n),
  'ST04-invalid-utf8': st(Buffer.from([...Buffer.from('{"a'), 0xff, ...Buffer.from('":1}')])),
  'ST04-overlong-utf8': st(Buffer.from([...Buffer.from('{"a'), 0xc0, 0xaf, ...Buffer.from('":1}')])),
  'ST05-leading-blanks': st(` \t\n${JSON.stringify(pair)}`, 16),
  'ST05-byte-order-mark': st(`\ufeff${JSON.stringify(pair)}`, 16),
  'ST05-array': st('[]'),
  'ST05-null': st('null'),
  'ST05-two-documents': st('{}{}'),
  'ST06-deep': st(new Uint8Array(10_000_000).fill(0x5b)),
  'ST06-deep-object': st('{"a":'.repeat(1000)),
  'ST07-duplicate-key': st(`{"t":${JSON.stringify(entry())},"t":${JSON.stringify(entry())}}`, 8),
  'ST08-proto': st(`{"__proto__":${JSON.stringify(entry())},"constructor":${JSON.stringify(pair.b)}}`, 16),
  'ST08-metadata-as-tensor': st(JSON.stringify({ __metadata__: entry() }), 8),
  'ST09-one-range-for-all': st(many(100_000), 8),
  'ST10-hole': st(JSON.stringify({ a: pair.a, b: entry({ data_offsets: [9, 17] }) }), 17),
  'ST10-late-start': st(JSON.stringify({ b: pair.b }), 16),
  'ST11-trailing-zip': file('model.safetensors', () => Buffer.concat([good(), Buffer.from('PK\x03\x04rest of a zip')])),
  'ST12-end-before-begin': one({ data_offsets: [8, 0] }),
  'ST12-negative': offsets('-8'),
  'ST12-minus-zero': st('{"t":{"dtype":"F32","shape":[0],"data_offsets":[-0,0]}}'),
  'ST12-exponent': offsets('8e0'),
  'ST12-fraction': offsets('8.0'),
  'ST12-quoted': offsets('"8"'),
  'ST12-three-offsets': offsets('8,8'),
  'ST13-rounds': offsets('9007199254740993'),
  'ST14-overflow': one({ shape: [2 ** 32, 2 ** 32, 4] }),
  'ST15-size': one({ shape: [3] }),
  'ST15-half-byte': one({ dtype: 'F4', shape: [3], data_offsets: [0, 2] }, 2),
  'ST16-unknown-dtype': one({ dtype: 'F12' }),
  'ST16-million-dimensions': one({ shape: new Array(1_000_000).fill(1) }),
  'ST16-zero-dimension': one({ shape: [0, 4], data_offsets: [0, 0] }, 0),
  'ST16-dtype-is-number': st('{"t":{"dtype":1,"shape":[2],"data_offsets":[0,8]}}', 8),
  'ST16-unknown-field': st('{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"run":"x"}}', 8),
  'ST17-metadata-number': st('{"__metadata__":{"a":1}}'),
  'ST17-metadata-huge': st(`{"__metadata__":{"a":"${'x'.repeat(50_000_000)}"}}`),
  'ST17-metadata-list': st('{"__metadata__":[]}'),
  'ST19-appledouble': file(
    '._model.safetensors',
    Uint8Array.of(0, 5, 0x16, 7, 0, 2, 0, 0, 0x4d, 0x61, 0x63, 0x20, 0x4f, 0x53),
  ),
  'ST20-lfs-pointer': file('model.safetensors', lfsPointer),
  'ST20-web-page': file('model.safetensors', '<!DOCTYPE html><html><body>Log in</body></html>'),
  'ST21-truncated': file('model.safetensors', () => good().slice(0, -1)),
  'ST21-truncated-in-header': file('model.safetensors', () => good().slice(0, 40)),
  'ST22-lone': file('weights.safetensors', good),
}

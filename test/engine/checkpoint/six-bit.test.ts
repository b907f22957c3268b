import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openSafetensors } from '../../../src-main/engine/checkpoint/safetensors.ts'
import { faultOf, rawSafetensors, temporaryFolder } from './temporary.ts'

/** One tensor of 64 codes, 0 to 63 in order, written bit by bit. */
function all(type: string): string {
  const header = JSON.stringify({ w: { dtype: type, shape: [4, 16], data_offsets: [0, 48] } })
  const file = rawSafetensors(header, 48)
  const at = file.length - 48
  for (let code = 0; code < 64; code++)
    for (let bit = 0; bit < 6; bit++) {
      const place = code * 6 + bit
      if ((code >> bit) & 1) file[at + (place >> 3)] = (file[at + (place >> 3)] ?? 0) | (1 << (place & 7))
    }
  const path = join(temporaryFolder(), 'six.safetensors')
  writeFileSync(path, file)
  return path
}

// The tables of OCP Microscaling Formats 1.0: smallest and largest of either sign.
test.each([
  ['F6_E2M3', { 1: 0.125, 7: 0.875, 8: 1, 15: 1.875, 31: 7.5, 32: -0, 63: -7.5 }],
  ['F6_E3M2', { 1: 0.0625, 3: 0.1875, 4: 0.25, 8: 0.5, 12: 1, 31: 28, 32: -0, 63: -28 }],
])('%s is read as the numbers it stands for, whole and in parts', (type, values) => {
  const source = openSafetensors([all(type)])
  const info = source.tensors.get('w')
  expect(info).toMatchObject({ dtype: 'float32', shape: [4, 16], bytes: 256, stored: { type, bytes: 48 } })
  const whole = new Float32Array(source.read('w').slice().buffer)
  for (const [code, value] of Object.entries(values)) expect(whole[Number(code)], code).toBe(value)
  expect(new Set(whole).size).toBe(63) // 0 and -0 are one
  for (let begin = 0; begin < 64; begin += 5) {
    const part = source.read('w', { begin: 4 * begin, end: 4 * Math.min(64, begin + 5) })
    expect(new Float32Array(part.slice().buffer)).toEqual(whole.subarray(begin, begin + 5))
  }
  source.close()
})

test('six bits that do not fill bytes are refused', () => {
  const path = join(temporaryFolder(), 'odd.safetensors')
  writeFileSync(path, rawSafetensors(JSON.stringify({ w: { dtype: 'F6_E2M3', shape: [3], data_offsets: [0, 3] } }), 3))
  expect(faultOf(() => openSafetensors([path]))).toMatchObject({
    code: 'bad-input',
    data: { tensor: 'w', field: 'shape' },
  })
})

// The check of a written file must see what is wrong with it.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openNetwork } from '../../../../src-main/engine/checkpoint/open.ts'
import { CheckedFile } from '../../../../src-main/engine/export/gguf/checked-file.ts'
import { chooseTypes } from '../../../../src-main/engine/export/gguf/choose.ts'
import { headOf, writeFile } from '../../../../src-main/engine/export/gguf/file.ts'
import { metadataOf } from '../../../../src-main/engine/export/gguf/head.ts'
import { layoutOf } from '../../../../src-main/engine/export/gguf/layout.ts'
import { convertOptions, ggufParameters } from '../../../../src-main/engine/export/gguf/parameters.ts'
import { verifyWritten } from '../../../../src-main/engine/export/gguf/verify.ts'
import { openWriter } from '../../../../src-main/engine/export/gguf/writer.ts'
import { faultOf, temporaryFolder } from '../../checkpoint/temporary.ts'
import { randomQwen } from './models.ts'

const folder = temporaryFolder()
const checkpoint = randomQwen(join(folder, 'qwen'), { layers: 1, vocabulary: 96 }).folder

function written() {
  const network = openNetwork(checkpoint)
  const layout = layoutOf(network)
  const options = convertOptions(network, ggufParameters.parse({ type: 'Q8_0' }))
  const tensors = chooseTypes(network, layout, { artifacts: [], options })
  const file = { name: 'm.gguf', metadata: metadataOf(network, layout, tensors, null), tensors }
  const { head, bytes } = headOf(file)
  const contents = { network, importance: null }
  const own = temporaryFolder()
  const path = join(own, file.name)
  writeFile(path, file, head, bytes, contents, () => undefined)
  return { path, head, check: () => verifyWritten(own, [file], [head], contents, () => undefined) }
}

test('a good file passes and says what was compared', () => {
  expect(written().check().join('\n')).toMatch(/60 rows of 15 weights/)
})

test('a changed weight, a changed name and a changed setting are found', () => {
  const spoil = (at: (bytes: Buffer, head: number) => number) => {
    const { path, head, check } = written()
    const bytes = readFileSync(path)
    const place = at(bytes, head.length)
    bytes[place] = (bytes[place] ?? 0) ^ 1
    writeFileSync(path, bytes)
    return faultOf(check)
  }
  // The first row of the embedding, a letter of a tensor's name (a capital it becomes), the rotary base.
  expect(spoil((_, head) => head + 5)).toMatchObject({ code: 'verification', data: { tensor: 'model.embed_tokens.weight' } }) // prettier-ignore
  expect(['verification', 'bad-input']).toContain(spoil((bytes) => bytes.indexOf('blk.0.attn_q.weight') + 6).code)
  expect(spoil((bytes) => bytes.indexOf('rope.freq_base') + 18).code).toBe('verification')
})

test('the thread and the caller write the same file, in pieces of any size', () => {
  const piece = Uint8Array.from({ length: 1 << 20 }, (_, i) => i * 7 + (i >> 8))
  const results = [17 << 20, 1].map((expected) => {
    const writer = openWriter(join(folder, `w${expected}`), expected)
    for (let i = 0; i < 17; i++) writer.write(piece.subarray(0, piece.length - i * 1000))
    return writer.finish()
  })
  expect(results[0]).toEqual(results[1])
  expect(readFileSync(join(folder, `w${17 << 20}`)).equals(readFileSync(join(folder, 'w1')))).toBe(true)
})

test.each([17 << 20, 1])('a file that cannot be made is a disk fault (%i bytes)', (bytes) => {
  const fault = faultOf(() => {
    const writer = openWriter(join(folder, 'no', 'such', 'folder'), bytes)
    writer.write(new Uint8Array(10))
    writer.finish()
  })
  expect(fault.code).toBe('disk')
  expect(fault.message).toMatch(/no.such.folder/)
})

test('what another program writes into the file meanwhile is noticed', () => {
  const path = join(folder, 'meddled')
  const file = new CheckedFile(path)
  file.append(new Uint8Array(100).fill(1))
  writeFileSync(path, new Uint8Array(300).fill(2))
  file.append(new Uint8Array(100).fill(1))
  expect(() => file.finish()).toThrow(/300 bytes where 200 were written/)
})

// Files of torch.save itself (test/golden/pytorch_files.py), read bit for bit, whole and by ranges.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { bytesRange } from '../../../src-main/engine/checkpoint/onnx/wire.ts'
import { readPytorch } from '../../../src-main/engine/checkpoint/pytorch/read.ts'
import { bytesOf } from '../../../src-main/engine/checkpoint/pytorch/read.ts'
import { dataPath, hasData } from '../../helpers/data.ts'

interface Golden {
  name: string
  file: string // base64
  tensors?: Record<string, { dtype: string; shape: number[]; hex: string }>
  notices?: string[]
  refused?: string
}
const golden = JSON.parse(readFileSync(join(import.meta.dirname, '../../golden/pytorch_files.json'), 'utf8')) as {
  cases: Golden[]
}
const open = ({ file, name }: Golden) => readPytorch(bytesRange(Buffer.from(file, 'base64'), `${name}.pt`))
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('what torch.save writes', () => {
  test.for(golden.cases.filter((each) => each.tensors))('$name', (each) => {
    const { tensors, notices, read } = open(each)
    const found = Object.fromEntries(
      [...tensors].map(([name, tensor]) => [
        name,
        { dtype: tensor.dtype, shape: [...tensor.shape], hex: hex(read(name, 0, bytesOf(tensor))) },
      ]),
    )
    expect(found).toEqual(each.tensors)
    expect(notices).toEqual(each.notices)
    for (const [name, tensor] of tensors) {
      const bytes = bytesOf(tensor)
      const [begin, end] = [Math.floor(bytes / 3), Math.floor((bytes * 2) / 3)]
      expect(hex(read(name, begin, end))).toBe(found[name]?.hex.slice(2 * begin, 2 * end))
    }
  })

  test.for(golden.cases.filter((each) => each.refused))('$name is refused', (each) => {
    expect(() => open(each)).toThrow(each.refused)
  })
})

test.skipIf(!hasData)('a published legacy pickle equals its safetensors twin, tensor for tensor', () => {
  const pickled = openNetwork(dataPath('cifar10/resnet20.th'))
  const twin = openNetwork(dataPath('cifar10/resnet20.safetensors'))
  expect(pickled.format).toBe('pytorch')
  expect(pickled.card).toEqual({ 'written as': 'PyTorch file of before 1.6' })
  expect([...pickled.source.tensors.keys()].sort()).toEqual([...twin.source.tensors.keys()].sort())
  for (const [name, info] of twin.source.tensors) {
    expect(pickled.source.tensors.get(name)).toMatchObject({ dtype: info.dtype, shape: info.shape, bytes: info.bytes })
    expect(Buffer.compare(pickled.source.read(name), twin.source.read(name))).toBe(0)
  }
  pickled.source.close()
  twin.source.close()
})

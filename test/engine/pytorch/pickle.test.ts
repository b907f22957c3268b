// Plain values of Python's own pickler in every protocol, and strided views against a plain loop.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { bytesRange } from '../../../src-main/engine/checkpoint/onnx/wire.ts'
import { Cursor } from '../../../src-main/engine/checkpoint/pytorch/cursor.ts'
import { gather } from '../../../src-main/engine/checkpoint/pytorch/gather.ts'
import { readPickle } from '../../../src-main/engine/checkpoint/pytorch/pickle.ts'
import {
  PickleDict,
  PickleList,
  PickleStorage,
  PickleTensor,
  PickleTuple,
  type PickleValue,
} from '../../../src-main/engine/checkpoint/pytorch/values.ts'
import { Random } from '../../fuzz/random.ts'

const { plain, pickles } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../golden/pytorch_files.json'), 'utf8'),
) as { plain: unknown; pickles: { protocol: number; big?: true; base64: string }[] }

/** As Python's json module writes it: tuples are lists. */
function toPlain(value: PickleValue): unknown {
  if (value instanceof PickleTuple || value instanceof PickleList) return value.items.map(toPlain)
  if (value instanceof PickleDict)
    return Object.fromEntries([...value.entries].map(([key, inner]) => [String(key), toPlain(inner)]))
  return value
}
const read = (base64: string) => readPickle(new Cursor(bytesRange(Buffer.from(base64, 'base64'), 'x.pkl')))

test.for(pickles.filter(({ big }) => !big))('protocol $protocol', ({ base64 }) => {
  expect(toPlain(read(base64))).toEqual(plain)
})

test.for(pickles.filter(({ big }) => big))('numbers beyond a double and bytes, protocol $protocol', ({ base64 }) => {
  expect(toPlain(read(base64))).toEqual({
    wide: 2n ** 70n,
    low: -(2n ** 70n),
    bytes: Uint8Array.from([0, 255]),
    infinite: Number.POSITIVE_INFINITY,
  })
})

test('shared lists stay one list', () => {
  const value = read(pickles.find(({ protocol }) => protocol === 2)?.base64 ?? '') as PickleDict
  const [one, other] = (value.entries.get('shared') as PickleList).items
  expect(one).toBe(other)
})

/** Element by element, without any of the shortcuts. */
function gatherPlainly({ offset, shape, strides }: PickleTensor, source: Uint16Array): number[] {
  const count = shape.reduce((product, length) => product * length, 1)
  return Array.from({ length: count }, (_, index) => {
    let [rest, at] = [index, offset]
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const length = shape[axis] as number
      at += (rest % length) * (strides[axis] as number)
      rest = Math.floor(rest / length)
    }
    return source[at] as number
  })
}

test('any view gives what a plain loop gives', () => {
  const seed = 7
  const random = new Random(seed)
  for (let run = 0; run < 3000; run++) {
    const rank = random.below(5)
    const shape = Array.from({ length: rank }, () => random.below(run % 10 === 0 ? 4 : 5) + (run % 10 === 0 ? 0 : 1))
    const strides = shape.map(() => random.of([0, 1, 2, 3, 4, 5, 12, 25]))
    // Half of them are permuted dense tensors, as real ones are.
    if (run % 2 === 0) {
      const order = shape.map((_, axis) => [random.bits(), axis] as const).sort((a, b) => a[0] - b[0])
      let step = 1
      for (const [, axis] of order) {
        strides[axis] = step
        step *= shape[axis] as number
      }
    }
    const offset = random.below(9)
    const last = shape.reduce((sum, length, axis) => sum + Math.max(0, length - 1) * (strides[axis] as number), offset)
    const source = Uint16Array.from({ length: last + 1 + random.below(3) }, () => random.below(65_536))
    const bytes = new Uint8Array(source.buffer)
    const tensor = new PickleTensor(new PickleStorage('0', 'float16', bytes.length), 'float16', offset, shape, strides)
    const found = gather(tensor, (begin, end) => bytes.slice(begin, end))
    const context = `seed ${seed}, run ${run}: [${shape.join(', ')}] by [${strides.join(', ')}] from ${offset}`
    expect([...new Uint16Array(found.slice().buffer)], context).toEqual(gatherPlainly(tensor, source))
  }
})

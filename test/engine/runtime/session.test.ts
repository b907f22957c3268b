import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { encodeModel } from '../../../src-main/engine/checkpoint/onnx/encode.ts'
import { node } from '../../../src-main/engine/graph/ir.ts'
import { openFile, openSession, openSessionWithLimit } from '../../../src-main/engine/runtime/session.ts'
import type { TensorValue } from '../../../src-main/engine/runtime/types.ts'
import { identityGraph, linearGraph, linearReader, linearWeights } from './graphs.ts'

const never = (notice: string) => expect.unreachable(notice)
const x: TensorValue = { dtype: 'float32', dims: [2, 3], data: Float32Array.of(1, 1, 1, 0, 2, 1) }
const expected = [6, 0, 7, 1] // x w^T by hand

test('runs a graph on the CPU', async () => {
  const session = await openSession(linearGraph(), linearReader, { device: 'cpu' }, never)
  expect(session.device).toBe('cpu')
  const { y } = await session.run({ x })
  expect([...(y?.data as Float32Array)]).toEqual(expected)
  expect(y?.dims).toEqual([2, 2])
  await session.release()
})

test('a weight that became an input gives the same, and another candidate needs no new session', async () => {
  const session = await openSession(linearGraph(), linearReader, { device: 'cpu', weightInputs: ['w'] }, never)
  expect(session.inputNames).toEqual(['x', 'w'])
  const w: TensorValue = { dtype: 'float32', dims: [2, 3], data: linearWeights }
  expect([...((await session.run({ x, w })).y?.data as Float32Array)]).toEqual(expected)
  const doubled = { ...w, data: linearWeights.map((value) => value * 2) }
  expect([...((await session.run({ x, w: doubled })).y?.data as Float32Array)]).toEqual(
    expected.map((value) => value * 2),
  )
  await session.release()
})

test('a model too large for one message passes through a file that is gone afterwards', async () => {
  const ours = () => readdirSync(tmpdir()).filter((name) => name.startsWith(`lathe-session-${process.pid}-`))
  const before = ours().length
  const session = await openSessionWithLimit(linearGraph(), linearReader, { device: 'cpu' }, never, 10)
  expect(ours().length).toBe(before + 1)
  expect([...((await session.run({ x })).y?.data as Float32Array)]).toEqual(expected)
  await session.release()
  expect(ours().length).toBe(before)
})

test.each([
  ['float32', Float32Array.of(1.5, -2)],
  ['float64', Float64Array.of(1.5, -2)],
  ['float16', Uint16Array.of(0x3c00, 0xc000)],
  ['int64', BigInt64Array.of(5n, -7n)],
  ['int32', Int32Array.of(5, -7)],
  ['uint16', Uint16Array.of(5, 65535)],
  ['int8', Int8Array.of(5, -7)],
  ['uint8', Uint8Array.of(5, 255)],
  ['bool', Uint8Array.of(1, 0)],
] as const)('%s goes in and comes out with its bits', async (dtype, data) => {
  const session = await openSession(identityGraph(dtype), linearReader, { device: 'cpu' }, never)
  const { y } = await session.run({ x: { dtype, dims: [2], data } })
  expect(y?.dtype).toBe(dtype)
  expect(y?.data.constructor).toBe(data.constructor)
  expect(Array.from(y?.data as ArrayLike<number | bigint>)).toEqual(Array.from(data as ArrayLike<number | bigint>))
  await session.release()
})

test('a call that does not fit the graph names what does', async () => {
  const session = await openSession(linearGraph(), linearReader, { device: 'cpu' }, never)
  await expect(session.run({})).rejects.toMatchObject({ code: 'bad-arguments', data: { expected: 'x' } })
  await expect(session.run({ x, z: x })).rejects.toMatchObject({ code: 'bad-arguments' })
  await expect(session.run({ x: { ...x, dims: [3, 3] } })).rejects.toMatchObject({ code: 'bad-arguments' })
  await expect(session.run({ x: { ...x, dtype: 'int32' } })).rejects.toMatchObject({ code: 'bad-arguments' })
  await expect(session.run({ x: { ...x, dims: [3, 2] } })).rejects.toMatchObject({ code: 'device' })
  await session.release()
})

test('an operator nobody implements is a fault, not a crash', async () => {
  const graph = { ...linearGraph(), nodes: [node('NoSuchOperator', ['x', 'w'], ['y'])] }
  await expect(openSession(graph, linearReader, { device: 'cpu' }, never)).rejects.toMatchObject({
    code: 'unsupported',
  })
})

test('a file is opened as it lies, and a broken one is named', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lathe-test-'))
  try {
    const path = join(folder, 'linear.onnx')
    writeFileSync(path, encodeModel(linearGraph(), linearReader))
    const session = await openFile(path, { device: 'cpu' }, never)
    expect([...((await session.run({ x })).y?.data as Float32Array)]).toEqual(expected)
    await session.release()
    const broken = join(folder, 'broken.onnx')
    writeFileSync(broken, 'not a model')
    await expect(openFile(broken, { device: 'cpu' }, never)).rejects.toMatchObject({
      code: 'bad-input',
      data: { file: broken },
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('the runtime says nothing on its own: not even about a failed run', () => {
  const script = `
    import { openSession } from ${JSON.stringify(join(import.meta.dirname, '../../../src-main/engine/runtime/session.ts'))}
    import { linearGraph, linearReader } from ${JSON.stringify(join(import.meta.dirname, 'graphs.ts'))}
    const session = await openSession(linearGraph(), linearReader, { device: 'cpu' }, () => {})
    const x = { dtype: 'float32', dims: [3, 2], data: new Float32Array(6) }
    process.stdout.write(await session.run({ x }).then(() => 'ran', (error) => error.code))`
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  expect(child.stdout).toBe('device')
  expect(child.stderr).toBe('')
})

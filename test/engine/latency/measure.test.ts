import { expect, test } from 'vitest'
import { measureLatency, medianOf, timeRuns, timingKey } from '../../../src-main/engine/latency/measure.ts'
import { formName } from '../../../src-main/engine/latency/names.ts'
import { keepOption, optionsFor } from '../../../src-main/engine/quantize/options.ts'
import { imageData, quiet, residualNetwork } from '../score/network.ts'

test('each shape and form is timed once, and what is known is not timed again', async () => {
  const network = residualNetwork()
  const layers = network.layers
    .filter(({ compressible }) => compressible)
    .map((layer) => ({ name: layer.name, options: optionsFor(layer).slice(0, 2) }))
  const common = { network, dataset: imageData(), format: 'onnx', device: 'cpu', layers } as const
  const first = await measureLatency({ ...common, known: new Set(), whole: true }, quiet)
  expect(first.shapes.map(({ layer }) => layer).sort()).toEqual(layers.map(({ name }) => name).sort())
  const keys = first.times.map(({ shape, form }) => timingKey(shape, form))
  expect(new Set(keys).size).toBe(keys.length)
  for (const { seconds, low, high, runs } of [...first.times, first.whole!]) {
    expect(seconds).toBeGreaterThan(0)
    expect(low).toBeLessThanOrEqual(seconds)
    expect(high).toBeGreaterThanOrEqual(seconds)
    expect(runs).toBeGreaterThanOrEqual(7)
  }
  // Every layer has its float time and that of each of its options.
  for (const { layer, shape } of first.shapes)
    for (const option of [keepOption, ...(layers.find(({ name }) => name === layer)?.options ?? [])])
      expect(keys, `${layer} ${option.id}`).toContain(timingKey(shape, formName('onnx', option)))
  const again = await measureLatency({ ...common, known: new Set(keys), whole: false }, quiet)
  expect([again.times, again.whole]).toEqual([[], null])
})

test('formats whose weights are decoded on loading take the same time for every option', () => {
  const [some] = optionsFor(residualNetwork().layers.find(({ compressible }) => compressible)!)
  expect(formName('gguf', some!)).toBe(formName('gguf', keepOption))
  expect(formName('onnx', some!)).not.toBe(formName('onnx', keepOption))
})

test('the median and its interval come from the order of the runs', async () => {
  expect(medianOf([5, 1, 3])).toEqual({ seconds: 3, low: 1, high: 5, runs: 3 })
  const many = medianOf(Array.from({ length: 31 }, (_, i) => i))
  expect(many).toEqual({ seconds: 15, low: 9, high: 21, runs: 31 })
  let clock = 0
  const found = await timeRuns(
    () => Promise.resolve((clock += 10)),
    () => clock,
  )
  expect(found.seconds).toBeCloseTo(0.01, 9)
})

import { expect, test } from 'vitest'
import { paceFrom, ratesFrom } from '../../../src-main/engine/latency/rates.ts'

test('rates count a multiplication and an addition each, and weights by the second', () => {
  // 8 products [512, 512] are 8 x 2 x 512^3 = 2.147e9 operations; 256 x 1024 weights are 262,144.
  const { gflops, weightsPerSecond, openMs } = ratesFrom({ productMs: 50, roundMs: 20, openMs: 7 })
  expect(gflops).toBeCloseTo(42.949, 2)
  expect(weightsPerSecond).toBe(13_107_200)
  expect(openMs).toBe(7)
})

test('what a second batch adds is the pace, what is left of it comes before the first sample', () => {
  const timed = (ms: number, samples: number, samplesPerSecond = 1e6) => ({ ms, samples, samplesPerSecond })
  expect(paceFrom(timed(130, 8), timed(210, 16))).toEqual({ perSampleMs: 10, fixedMs: 50, samples: 24 })
  // Noise made the second faster: running alone took 4 ms a sample.
  expect(paceFrom(timed(130, 8), timed(120, 16, 250))).toEqual({ perSampleMs: 4, fixedMs: 56, samples: 24 })
  // There are no more samples than one batch takes.
  expect(paceFrom(timed(90, 5), timed(60, 5))).toEqual({ perSampleMs: 12, fixedMs: 0, samples: 10 })
})

import { expect, test } from 'vitest'
import type { Dataset } from '../../../src-main/engine/data/types.ts'
import { evaluateNetwork } from '../../../src-main/engine/evaluate/evaluate.ts'
import { imageData, quiet, residualNetwork } from '../score/network.ts'

/** The same images, all of class `label`; null: with the labels they have. */
function labelled(label: number | null): Dataset {
  const dataset = imageData()
  return {
    ...dataset,
    fingerprint: `${dataset.fingerprint} ${label}`,
    evaluate: {
      ...dataset.calibrate,
      async *batches(options) {
        for await (const batch of dataset.calibrate.batches(options)) {
          const own = Int32Array.from({ length: batch.size }, (_, index) => (label === null ? index % 2 : label))
          yield { ...batch, targets: own }
        }
      },
    },
  }
}

test('evaluation data of one class is measured, and said', async () => {
  const network = residualNetwork()
  const common = { network, part: 'evaluate', overrides: null, device: 'cpu', limit: 6 } as const
  const one = await evaluateNetwork({ ...common, dataset: labelled(1) }, quiet)
  expect(one.notices.some((notice) => /one class/.test(notice))).toBe(true)
  const two = await evaluateNetwork({ ...common, dataset: labelled(null) }, quiet)
  expect(two.notices.filter((notice) => /one class/.test(notice))).toEqual([])
})

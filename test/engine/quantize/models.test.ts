import { expect, test } from 'vitest'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { readMatrix } from '../../../src-main/engine/checkpoint/weights.ts'
import { weightError } from '../../../src-main/engine/quantize/dequantize.ts'
import { applyPlain, optionsFor, optionWidths } from '../../../src-main/engine/quantize/options.ts'
import { rowsOf } from '../../../src-main/engine/quantize/rows.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { gridOf } from '../../helpers/matrix.ts'

// Signal to noise in dB over all weights of a network at the default options. Floors: measured values less 0.1 dB.
const models = [
  ['novels-5m', { 2: 8.96, 3: 14.9, 4: 20.75, 8: 44.77 }],
  ['stories260K', { 2: 8.82, 3: 14.84, 4: 20.89, 8: 45.02 }],
  ['cifar10/resnet32.onnx', { 2: 8.46, 3: 13.76, 4: 18.83, 8: 41.65 }],
  ['vit-cifar10/vit_tiny_cifar10.onnx', { 2: 9.34, 3: 15.45, 4: 21.42, 8: 45.57 }],
  ['squeezenet/squeezenet1.1.onnx', { 2: 8.17, 3: 13.23, 4: 18.28, 8: 41.37 }],
  ['mobilenet/mobilenet_v1_0.5_160.onnx', { 2: 8.69, 3: 13.7, 4: 18.53, 8: 41.96 }],
  ['silero-vad/silero_vad_16k_op15.onnx', { 2: 8.96, 3: 14.32, 4: 19.43, 8: 38.63 }],
] as const

test.skipIf(!hasData).each(models)(
  '%s: every layer at every width, each bit better than the one before',
  (path, floors) => {
    const network = openNetwork(dataPath(path))
    try {
      const layers = network.layers.filter(({ compressible }) => compressible)
      expect(layers.length).toBeGreaterThan(3)
      const totals = new Map(optionWidths.map((bits) => [bits as number, { error: 0, squares: 0 }]))
      for (const layer of layers) {
        const rows = rowsOf(readMatrix(network, layer))
        let before = Infinity
        const errors = new Map<number, number>() // of each width's first option
        for (const option of optionsFor(layer).filter(({ method }) => method !== 'keep')) {
          const q = gridOf(applyPlain(rows, option, { layer: layer.name }))
          const { squaredError, squares } = weightError(rows, q)
          expect(q.scaleType).toBe('float16')
          const coarser = errors.get(option.bits)
          if (coarser !== undefined) {
            if (q.symmetric) expect(squaredError, `${layer.name} ${option.id}: finer groups`).toBeLessThan(coarser)
            continue
          }
          errors.set(option.bits, squaredError)
          expect(squaredError, `${layer.name} ${option.id}`).toBeLessThanOrEqual(before)
          before = squaredError
          const total = totals.get(option.bits)
          if (total) [total.error, total.squares] = [total.error + squaredError, total.squares + squares]
        }
      }
      for (const [bits, floor] of Object.entries(floors)) {
        const { error, squares } = totals.get(Number(bits)) ?? { error: NaN, squares: 1 }
        expect.soft(-10 * Math.log10(error / squares), `${bits} bits`).toBeGreaterThan(floor)
      }
    } finally {
      network.source.close()
    }
  },
)

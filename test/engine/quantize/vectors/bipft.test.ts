import { expect, test } from 'vitest'
import { collectHessians } from '../../../../src-main/engine/calibrate/collect.ts'
import { openNetwork } from '../../../../src-main/engine/checkpoint/open.ts'
import { weightRows } from '../../../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../../../src-main/engine/data/open.ts'
import { outputError } from '../../../../src-main/engine/kernels/linear/error.ts'
import { bipft } from '../../../../src-main/engine/quantize/bipft.ts'
import type { CodedMatrix } from '../../../../src-main/engine/quantize/codings/define.ts'
import { luq } from '../../../../src-main/engine/quantize/luq.ts'
import { dataPath, hasData, skipReason } from '../../../helpers/data.ts'

const bytesOf = ({ parts }: CodedMatrix): number =>
  Object.values(parts).reduce((sum, { data }) => sum + (data?.length ?? 0), 0)

test.skipIf(!hasData)(
  `less output error than signs in groups of as many bytes, on inputs not seen (${skipReason} otherwise)`,
  async () => {
    const network = openNetwork(dataPath('stories260K'))
    const dataset = await openDataset({ path: dataPath('stories260K'), split: 'auto' }, network)
    const layers = network.layers.filter(({ compressible, block }) => compressible && block === 2)
    expect(layers.length).toBeGreaterThan(5)
    const quiet = { progress: () => undefined, notify: () => undefined }
    const collect = (of: typeof dataset) =>
      collectHessians(network, of, { samples: 8, device: 'cpu', layers: layers.map(({ name }) => name) }, quiet)
    const [seen, unseen] = [await collect(dataset), await collect({ ...dataset, calibrate: dataset.evaluate })]
    for (const layer of layers) {
      const [hessians, truth] = [seen.get(layer.name), unseen.get(layer.name)]
      if (!hessians || !truth) throw new Error(`no inputs of ${layer.name}`)
      const source = weightRows(network, layer)
      const context = { layer: layer.name, hessians }
      const own = await bipft.apply(source, bipft.params.parse({ rank: 4 }), context)
      // A scale for every few weights: groups of the size at which signs take no fewer bytes.
      const signs = async (groupSize: number) =>
        (await luq.apply(source, luq.params.parse({ bits: 1, groupSize }), context)) as CodedMatrix
      let groupSize = layer.cols
      let binary = await signs(groupSize)
      while (bytesOf(binary) < bytesOf(own)) binary = await signs((groupSize = Math.ceil(groupSize / 2)))
      const [a, b] = [await outputError(source, own, truth), await outputError(source, binary, truth)]
      expect(a.relative, layer.name).toBeLessThan(0.9 * b.relative)
    }
  },
)

import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { batchesOf, batchSizeOf } from '../../../src-main/engine/calibrate/batches.ts'
import { layersOf, layoutOf } from '../../../src-main/engine/calibrate/layout.ts'
import { hessianKey, stageHessians } from '../../../src-main/engine/calibrate/stage.ts'
import { openState } from '../../../src-main/engine/calibrate/state.ts'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { encodeModel } from '../../../src-main/engine/checkpoint/onnx/encode.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import type { Batch, Dataset } from '../../../src-main/engine/data/types.ts'
import { cutBefore } from '../../../src-main/engine/graph/segment.ts'
import { rtnOption } from '../../../src-main/engine/quantize/options.ts'
import { overridesOf } from '../../../src-main/engine/tasks/evaluate.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { imageData, residualGraph, residualNetwork, temporaryFolder } from '../score/network.ts'
import { capture, distance, plainHessian, rowsIn } from './plain.ts'
import { type Finished, runPieces } from './run.ts'

const all = async (network: Network, dataset: Dataset, samples: number) => {
  const batches: Batch[] = []
  for await (const batch of batchesOf(network, dataset, samples)) batches.push(batch)
  return batches
}

const ownerOf = (network: Network, dataset: Dataset, samples: number, piece: number) => ({
  ...{ network: network.fingerprint, data: dataset.fingerprint, samples, batchSize: batchSizeOf(network), piece },
})

/** What every piece hands on is what the whole network gives with the compressed weights so far. */
async function checkStates(network: Network, dataset: Dataset, samples: number, finished: readonly Finished[]) {
  const batches = await all(network, dataset, samples)
  for (const [at, { state }] of finished.entries()) {
    const next = finished[at + 1]?.piece
    if (state === null || !next) continue
    const weights = overridesOf(
      network,
      finished.slice(0, at + 1).flatMap(({ artifacts }) => artifacts),
    )
    const opened = openState(state, ownerOf(network, dataset, samples, next.index))
    expect(opened.batches).toBe(batches.length)
    for (const value of next.border) {
      const expected = await capture(network, value, batches, weights)
      expected.forEach((tensor, batch) => {
        const found = opened.batch(batch).get(value)
        expect(found?.dims).toEqual(tensor.dims)
        const far = distance(found?.data as Float32Array, tensor.data as Float32Array)
        expect(far, `${value}, batch ${batch}`).toBeLessThan(1e-4)
      })
    }
    opened.close()
  }
}

const three = ({ op, cols }: { op: string; cols: number }) => rtnOption(3, op === 'Conv' || cols < 64 ? null : 64)

test('pieces follow each other on compressed activations: a residual network', async () => {
  const network = residualNetwork()
  const dataset = imageData(9)
  const folder = temporaryFolder()
  const finished = await runPieces(network, dataset, { samples: 9, folder, option: three })
  expect(finished.map(({ piece }) => piece.name)).toEqual([
    'before the blocks',
    'blocks.0',
    'blocks.1',
    'blocks.2',
    'behind the blocks',
  ])
  expect(finished.flatMap(({ artifacts }) => artifacts).length).toBe(8)
  expect(finished.at(-1)?.state).toBe(null)
  await checkStates(network, dataset, 9, finished)
  expect(readdirSync(folder).filter((name) => !/^[0-9a-f]{64}\.(safetensors|state)$/.test(name))).toEqual([])
})

test('a layer that is read again in later pieces is compressed once and travels with the activations', async () => {
  const graph = residualGraph()
  const [first, again] = ['blocks.0.conv1.weight', 'blocks.2.conv1.weight']
  const nodes = graph.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map((name) => (name === again ? first : name)),
  }))
  graph.initializers.delete(again)
  const path = join(temporaryFolder(), 'shared.onnx')
  writeFileSync(
    path,
    encodeModel({ ...graph, nodes }, () => new Uint8Array()),
  )
  const network = openNetwork(path)
  const dataset = imageData(5)
  const finished = await runPieces(network, dataset, { samples: 5, folder: temporaryFolder(), option: three })
  expect(finished.map(({ piece }) => piece.shared)).toEqual([[], [], [first], [first], []])
  expect(finished.flatMap(({ artifacts }) => artifacts).length).toBe(7)
  await checkStates(network, dataset, 5, finished)
})

describe.skipIf(!hasData)('on real models', () => {
  const open = async (checkpoint: string, data: string) => {
    const network = openNetwork(dataPath(checkpoint))
    return { network, dataset: await openDataset({ path: dataPath(data), split: 'auto' }, network) }
  }

  test('every compressible layer is in one piece; borders are where the blocks begin', async () => {
    for (const path of ['stories260K', 'novels-5m', 'squeezenet/squeezenet1.1.onnx', 'silero-vad/silero_vad.onnx']) {
      const network = openNetwork(dataPath(path))
      if (network.graph === null) throw new Error('no graph')
      const layout = layoutOf(network, network.graph)
      const names = layout.flatMap((piece) => layersOf(piece).map(({ layer }) => layer.name))
      expect(names.toSorted()).toEqual(
        network.layers.flatMap(({ compressible, name }) => (compressible ? [name] : [])).toSorted(),
      )
      if (network.task !== 'causal-lm') continue
      for (const { block, border } of layout.slice(2, -1))
        expect(border).toEqual(cutBefore(network.graph, network.blocks[block ?? 0] as never))
      expect(layersOf(layout.at(-1) as never).map(({ layer }) => layer.name)).toEqual([network.head?.weight])
    }
  })

  test('a language model: states, and Hessians within a block from what is compressed so far', async () => {
    const { network, dataset } = await open('stories260K', 'stories260K/data.yaml')
    const folder = temporaryFolder()
    const finished = await runPieces(network, dataset, { samples: 6, folder, option: three, last: 3 })
    await checkStates(network, dataset, 6, finished)
    const piece = finished[2]?.piece
    const before = finished[1]?.state
    if (!piece || !before || network.graph === null) throw new Error('no such piece')
    const own = overridesOf(network, finished[2]?.artifacts ?? [])
    const earlier = overridesOf(network, [...(finished[0]?.artifacts ?? []), ...(finished[1]?.artifacts ?? [])])
    const [qkv, o] = piece.stages.map(({ layers }) => layers.map(({ layer }) => layer.name))
    const within = new Map([...own].filter(([name]) => qkv?.includes(name) || o?.includes(name)))
    const input = piece.stages[2]?.layers[0]?.input
    if (!input) throw new Error('no input')
    const state = openState(before, ownerOf(network, dataset, 6, 2))
    const run = {
      network,
      graph: network.graph,
      dataset,
      samples: 6,
      views: 1,
      device: 'cpu' as const,
      piece,
      state,
      weights: within,
    }
    const wanted = { input, weighting: null }
    const found = await stageHessians({ ...run, notify: () => undefined }, [wanted], new Map(), () => undefined)
    state.close()
    const batches = await all(network, dataset, 6)
    const values = await capture(network, input.value, batches, new Map([...earlier, ...within]))
    const rows = values.flatMap(({ data }, at) =>
      rowsIn(data as Float32Array, 64).filter((_, row) => batches[at]?.targets?.[row] !== -1),
    )
    const hessian = found.get(hessianKey(wanted))?.[0]
    expect(hessian?.rows).toBe(rows.length)
    expect(distance(hessian?.data ?? [], plainHessian(rows, 64))).toBeLessThan(1e-4)
    const original = await capture(network, input.value, batches) // it is the compressed weights that make it so
    const others = original.flatMap(({ data }, at) =>
      rowsIn(data as Float32Array, 64).filter((_, row) => batches[at]?.targets?.[row] !== -1),
    )
    expect(distance(hessian?.data ?? [], plainHessian(others, 64))).toBeGreaterThan(1e-2)
  })

  test('a CNN and grouped convolutions', async () => {
    const cnn = await open('cifar10/resnet20.onnx', 'cifar10/data.yaml')
    const finished = await runPieces(cnn.network, cnn.dataset, { samples: 4, folder: temporaryFolder(), option: three })
    await checkStates(cnn.network, cnn.dataset, 4, finished)
    const mobile = await open('mobilenet/mobilenet_v1_0.5_160.onnx', 'mobilenet/data.yaml')
    const how = { samples: 2, folder: temporaryFolder(), option: three, last: 3 }
    const done = await runPieces(mobile.network, mobile.dataset, how)
    await checkStates(mobile.network, mobile.dataset, 2, done)
  })

  test('a vision transformer: the same bytes again', async () => {
    const { network, dataset } = await open('vit-cifar10/vit_tiny_cifar10.onnx', 'vit-cifar10/data.yaml')
    const run = () => runPieces(network, dataset, { samples: 5, folder: temporaryFolder(), option: three, last: 2 })
    const [one, other] = [await run(), await run()]
    const bytes = (finished: Finished[]) =>
      finished.map(({ artifacts, state }) => [artifacts.map(({ sha256 }) => sha256), state?.split(/[\\/]/).at(-1)])
    expect(bytes(one)).toEqual(bytes(other))
    await checkStates(network, dataset, 5, one)
  })
})

import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { compressPieceOf, type PieceArguments } from '../../../src-main/engine/calibrate/compress.ts'
import { collectHessians } from '../../../src-main/engine/calibrate/collect.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import type { Batch, Dataset } from '../../../src-main/engine/data/types.ts'
import { ggmlOption } from '../../../src-main/engine/export/gguf/types.ts'
import { rtnOption } from '../../../src-main/engine/quantize/options.ts'
import { readArtifact } from '../../../src-main/engine/quantize/artifact.ts'
import { applyPlain } from '../../../src-main/engine/quantize/options.ts'
import { readMatrix } from '../../../src-main/engine/checkpoint/weights.ts'
import type { TaskContext } from '../../../src-main/engine/protocol.ts'
import type { Option } from '../../../src-preload/contract/plan.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { imageData, quiet, residualNetwork, temporaryFolder } from '../score/network.ts'

const rtn = rtnOption(4, null)
/** An option of a method that needs Hessians, in the form of a plain one. */
const calibrated: Option = {
  id: 'ggml-ldlq-q4_0',
  method: 'ggml-ldlq',
  bits: 4.5,
  parameters: { type: 'Q4_0' },
  form: ggmlOption('Q4_0').id,
}

function pieceOf(network = residualNetwork(), dataset: Dataset = imageData(6)) {
  const folder = temporaryFolder()
  const run = (more: Partial<PieceArguments>, context: TaskContext = quiet) =>
    compressPieceOf(
      {
        ...{ network, dataset, folder, piece: 0, layers: [], samples: 6, seed: 0, device: 'cpu', state: null },
        importance: null,
        ...more,
      },
      context,
    )
  return { network, dataset, folder, run }
}

test('a state that is missing, damaged or of another run is refused by name', async () => {
  const { folder, network, run } = pieceOf()
  const { state } = await run({ layers: [{ name: 'stem.weight', option: rtn }] })
  if (!state) throw new Error('no state')
  await expect(run({ piece: 1, state: join(folder, 'none.state') })).rejects.toMatchObject({ code: 'not-found' })
  await expect(run({ piece: 1, state: null })).rejects.toThrow(/Piece 1 needs activations/)
  await expect(run({ piece: 0, state: state.path })).rejects.toThrow(/Piece 0 begins at the inputs/)
  await expect(run({ piece: 9, state: state.path })).rejects.toThrow(/has no piece 9/)
  await expect(run({ piece: 2, state: state.path })).rejects.toThrow(/belong to another run: piece is 1, not 2/)
  await expect(run({ piece: 1, state: state.path, samples: 5 })).rejects.toThrow(/samples is 6, not 5/)
  await expect(run({ piece: 1, state: state.path, dataset: imageData(7) })).rejects.toThrow(/another run: data is/)
  const other = { ...network, fingerprint: 'another' }
  await expect(run({ piece: 1, state: state.path, network: other })).rejects.toThrow(/another run: network is/)

  const bytes = readFileSync(state.path)
  const damaged = join(temporaryFolder(), `${state.sha256}.state`)
  writeFileSync(
    damaged,
    bytes.map((byte, at) => (at === 100 ? byte ^ 1 : byte)),
  )
  await expect(run({ piece: 1, state: damaged })).rejects.toThrow(/are damaged: its SHA-256 is/)
  for (const cut of [0, 10, 100, bytes.length - 1]) {
    const part = bytes.subarray(0, cut)
    const path = join(temporaryFolder(), `${createHash('sha256').update(part).digest('hex')}.state`)
    writeFileSync(path, part)
    await expect(run({ piece: 1, state: path }), `${cut} bytes`).rejects.toMatchObject({
      code: 'bad-input',
      data: { file: path },
    })
  }
  const moved = join(temporaryFolder(), `${state.sha256}.state`)
  copyFileSync(state.path, moved) // a project can be moved
  expect((await run({ piece: 1, state: moved })).artifacts).toEqual([])
})

test('layers of another piece and unknown methods are refused', async () => {
  const { run } = pieceOf()
  const layer = (name: string, option: Option) => run({ layers: [{ name, option }] })
  await expect(layer('head.weight', rtn)).rejects.toThrow(/head.weight is no layer of "before the blocks"/)
  await expect(layer('stem.weight', { ...rtn, method: 'magic' })).rejects.toThrow(/no quantizer "magic"/)
})

test('no samples, and fewer than were asked for', async () => {
  const { run } = pieceOf()
  expect((await run({ samples: 100 })).notices).toEqual([expect.stringMatching(/100 .* asked for, there are 6/)])
  await expect(run({ samples: 0 })).rejects.toMatchObject({ code: 'bad-data' })
  await expect(run({ dataset: imageData(0) })).rejects.toMatchObject({ code: 'bad-data' })
})

test('activations that are not numbers are told by the layer they enter', async () => {
  const network = residualNetwork()
  const good = imageData(4)
  const calibrate = {
    ...good.calibrate,
    *batches(how: { batchSize: number; limit?: number }): Generator<Batch> {
      for (const batch of good.calibrate.batches(how) as Generator<Batch>) {
        const image = batch.feeds.image
        if (image) image.data[5] = NaN
        yield batch
      }
    },
  }
  const dataset = { ...good, calibrate }
  const collecting = collectHessians(network, dataset, { layers: ['head.weight'], samples: 4, device: 'cpu' }, quiet)
  await expect(collecting).rejects.toThrow(/activations that enter head.weight are not all finite/)
  const layers = [{ name: 'blocks.0.conv1.weight', option: ggmlOption('Q4_0', true) }]
  const { run } = pieceOf(network, dataset)
  const { state } = await run({})
  await expect(run({ piece: 1, state: state?.path ?? null, layers })).rejects.toMatchObject({
    code: 'bad-data',
    data: { tensor: 'blocks.0.conv1.weight' },
  })
})

test('progress goes from 0 to 1 and never back', async () => {
  const { run } = pieceOf()
  const first = await run({})
  const seen: { fraction: number; step: string }[] = []
  const layers = ['blocks.0.conv1.weight', 'blocks.0.conv2.weight'].map((name) => ({
    name,
    option: ggmlOption('Q4_0', true),
  }))
  await run(
    { piece: 1, state: first.state?.path ?? null, layers },
    {
      ...quiet,
      progress: (update) => void seen.push(update),
    },
  )
  expect(seen.every(({ fraction }, i) => fraction >= (seen[i - 1]?.fraction ?? 0))).toBe(true)
  expect(seen.at(-1)?.fraction).toBe(1)
  expect([...new Set(seen.map(({ step }) => step))]).toEqual([
    'block 0: Hessian of conv1',
    'block 0: conv1',
    'block 0: Hessian of conv2',
    'block 0: conv2',
    'block 0: activations for the next piece',
    'block 0',
  ])
})

describe.skipIf(!hasData)('on real models', () => {
  test('a lookup has no Hessian: rounded plainly, and said', async () => {
    const network = openNetwork(dataPath('novels-5m'))
    const dataset = await openDataset({ path: dataPath('novels-5m/data.yaml'), split: 'auto' }, network)
    const { run } = pieceOf(network, dataset)
    const name = 'model.embed_tokens.weight'
    const { artifacts, notices } = await run({ layers: [{ name, option: calibrated }], samples: 2 })
    expect(notices).toEqual([`${name}: no matrix of inputs can be measured for it; rounded by ggml.`])
    const layer = network.layers.find((each) => each.name === name)
    if (!layer || !artifacts[0]) throw new Error('no layer')
    expect(artifacts[0].option).toEqual(calibrated)
    expect(readArtifact(artifacts[0].path)).toEqual(applyPlain(readMatrix(network, layer), ggmlOption('Q4_0')))
  })
})

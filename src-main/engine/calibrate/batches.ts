// The calibration samples as batches: the same each time, so that activations kept from one piece fit those of the next.
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Network } from '../checkpoint/network.ts'
import type { Batch, Dataset } from '../data/types.ts'

const largeBytes = 2 ** 28 // of a checkpoint: from here on one window at a time fills the cores
const mostPixels = 2 ** 18 // of one batch of images; unfolding multiplies them by the kernel's places
const mostImages = 32

/** Samples that run together. Depends on the network alone: sums over batches are the same everywhere. */
export function batchSizeOf({ bytes, graph }: Pick<Network, 'bytes' | 'graph'>): number {
  const image = graph?.inputs.find(({ dtype, shape }) => dtype.startsWith('float') && (shape?.length ?? 0) >= 3)
  if (!image) return bytes > largeBytes ? 1 : 4
  const pixels = (image.shape ?? []).slice(2).reduce<number>((product, dim) => product * (Number(dim) || 224), 1)
  return Math.min(mostImages, Math.max(1, Math.floor(mostPixels / pixels)))
}

/** How many samples there will be. Faults 'bad-data' where there are none; says so where there are fewer than asked. */
export function samplesOf(dataset: Dataset, asked: number, notify: (notice: string) => void): number {
  const { samples } = dataset.calibrate
  if (samples === 0 || asked < 1)
    throw new Fault('bad-data', `${dataset.path}: there are no calibration samples.`, {
      hint: 'Give the data set a calibration part, or choose methods that need weights only.',
      data: { file: dataset.path },
    })
  if (samples < asked) notify(`${dataset.path}: ${asked} calibration samples were asked for, there are ${samples}.`)
  return Math.min(samples, asked)
}

export function batchesOf(
  network: Network,
  { calibrate }: Dataset,
  samples: number,
): Generator<Batch> | AsyncGenerator<Batch> {
  return calibrate.batches({ batchSize: batchSizeOf(network), limit: samples })
}

import type { Network } from '../checkpoint/network.ts'

/** Calibration samples of a measurement unless told otherwise: windows of text, or images. */
export const defaultSamples = ({ task }: Pick<Network, 'task'>): number => (task === 'image-classification' ? 256 : 8)

/** Samples in one run of a session: bounds the activations in memory. */
export const batchSizeFor = ({ task }: Pick<Network, 'task'>): number => (task === 'image-classification' ? 64 : 4)

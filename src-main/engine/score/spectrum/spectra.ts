// Spectra of a network's layers; apart from the score, for factorizers take their ranks from them, too.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Layer, Network } from '../../checkpoint/network.ts'
import { readMatrix } from '../../checkpoint/weights.ts'
import { singularValues } from '../../kernels/linear/eigen.ts'

/** Layers whose spectra count: tables of embeddings are no linear maps. */
export const factorable = ({ layers }: Network): Layer[] =>
  layers.filter(({ compressible, op, role }) => compressible && op !== 'Gather' && role !== 'embed')

/** Singular values of a layer's weight, falling. Faults 'bad-input' naming the layer where it is not finite. */
export async function spectrumOf(network: Network, layer: Layer): Promise<Float64Array> {
  const { data, rows, cols } = readMatrix(network, layer)
  try {
    return await singularValues(data, rows, cols)
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'bad-input') throw error
    throw new Fault('bad-input', `${layer.name}: ${error.message}`, {
      hint: error.hint ?? 'Look at the checkpoint: its weights must be finite.',
      data: { ...error.data, file: network.path, tensor: layer.name },
    })
  }
}

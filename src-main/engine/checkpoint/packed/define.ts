import type { Settings } from '../../graph/families/config.ts'
import type { DerivedTensor } from '../derived.ts'
import type { TensorSource } from '../network.ts'

/** What a checkpoint's packed weights are behind their pieces. */
export interface Unpacked {
  weights: Map<string, DerivedTensor> // by plain name: 'model.layers.0.mlp.up_proj.weight'
  hidden: Set<string> // the pieces, no longer listed
  notices: string[]
}

/** One way of packing weights in a Hugging Face folder, known by `quant_method` in its configuration. */
export interface PackedMethod {
  id: string
  title: string
  /** Looks at headers (and tensors of a few bytes) only. Faults 'bad-input' where pieces are missing or do not fit each
   *  other, 'unsupported' for a layout that is not read. */
  unpack(config: Settings, source: TensorSource): Unpacked
}

export const definePacked = (method: PackedMethod): PackedMethod => method

export const nothingUnpacked = (): Unpacked => ({ weights: new Map(), hidden: new Set(), notices: [] })

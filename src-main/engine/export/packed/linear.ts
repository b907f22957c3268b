// Which weights the packed formats of vLLM and transformers hold: linear layers [outputs, inputs] inside the blocks. Embedding,
// head, norms and routers stay in floats, as the programs that load these folders expect.
import type { Layer, Network } from '../../checkpoint/network.ts'

const neverPacked = new Set<Layer['role']>(['embed', 'head', 'norm', 'bias', 'conv', 'depthwise', 'recurrent'])
const routers = /\.(gate|router|shared_expert_gate)\.weight$/

export const isPackable = ({ source, graph }: Network, layer: Layer): boolean =>
  layer.compressible &&
  isLinear(layer) &&
  !neverPacked.has(layer.role) &&
  !routers.test(layer.name) &&
  (layer.block !== null || graph === null) &&
  source.tensors.has(layer.name)

const isLinear = ({ name, shape, order }: Layer): boolean =>
  shape.length === 2 && order === 'rows' && name.endsWith('.weight')

export const packableLayers = (network: Network): Layer[] =>
  network.layers.filter((layer) => isPackable(network, layer))

/** 'model.layers.0.mlp.up_proj' of its weight's name. */
export const moduleOf = (weight: string): string => weight.slice(0, -'.weight'.length)

/** Linear layers that stay in floats, by module: what the settings must exempt. */
export const keptModules = ({ layers }: Network, packed: ReadonlyMap<string, unknown>): string[] =>
  layers
    .filter((layer) => isLinear(layer) && !packed.has(layer.name) && layer.role !== 'embed' && layer.role !== 'norm')
    .map(({ name }) => moduleOf(name))

/** `refuses` of all packed formats. */
export function refusesPacked(network: Network): string | null {
  if (network.format === 'onnx') return 'an ONNX model is no Hugging Face folder; export it as ONNX'
  if (network.config === null) return 'it has no config.json, which the programs that load this format need'
  if (packableLayers(network).length === 0)
    return 'none of its layers is a linear layer of the shape that this format packs'
  return null
}

import type { Network } from '../../checkpoint/network.ts'

/** The network as a generator runs it: a language model with its key-value cache as inputs and outputs, any other as it
 *  is. Weights keep their names. */
export const generatorNetwork = (network: Network): Network =>
  network.cached ? { ...network, graph: network.cached(), blocks: [], head: null } : network

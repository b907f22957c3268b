import type { Block, LanguageHead, Layer, Network, TensorInfo, TokenFacts } from '../../checkpoint/network.ts'
import type { Graph } from '../ir.ts'
import type { Settings } from './config.ts'
import type { SentenceModules } from './sentence.ts'

/** A graph built from a configuration and the checkpoint's tensors; weights by name, nothing copied. */
export interface BuiltModel {
  graph: Graph
  layers: Layer[] // of the tensors that the graph uses, in graph order
  blocks: Block[]
  head: LanguageHead | null
  task: Network['task']
  card: Record<string, string>
  tokens?: TokenFacts // see Network.tokens
  cached?: () => Graph // see Network.cached
}

/** What a folder says beside config.json. */
export interface Beside {
  sentence?: SentenceModules | null // what a sentence-transformers folder does with the hidden states
}

/** A family of Hugging Face models that Lathe can run. One file, one line in registry.ts. */
export interface Family {
  id: string // `model_type` in config.json
  title: string
  architectures: readonly string[] // class names in config.json that this builder stands for
  /** `beside`: what other files of the folder say about the graph.
   *  Faults: 'bad-input' for a missing tensor or wrong shape, 'unsupported' for a setting the builder cannot honour. */
  build(config: Settings, tensors: ReadonlyMap<string, TensorInfo>, beside?: Beside): BuiltModel
}

export const defineFamily = (family: Family): Family => family

// What a language model takes in memory beside its weights, while it runs: an estimate for "does it fit this GPU", from its
// configuration, not from a run.
import type { Network } from '../checkpoint/network.ts'

export interface RunningMemory {
  /** Keys and values of one token of context, at 16 bits. */
  cachePerToken: number
  /** Activations of a prompt of 512 tokens, without what grows with the context. */
  activations: number
  /** Attention weights of a prompt of 512 tokens against one token of context. */
  attentionPerToken: number
}

/** Tokens of a prompt that are computed at once: what llama.cpp and others take by default. */
const PROMPT = 512
const FLOAT = 4

/** Sizes in bytes; null where the network is no language model, or its configuration does not tell. */
export function runningMemory(network: Network): RunningMemory | null {
  const { config, head } = network
  const size = (name: string): number | null => {
    const value = Number(config?.get(name) ?? NaN)
    return Number.isFinite(value) && value > 0 ? value : null
  }
  const [heads, hidden] = [size('num_attention_heads'), size('hidden_size')]
  if (head === null || heads === null || hidden === null) return null
  const keyHeads = size('num_key_value_heads') ?? heads
  const width = size('head_dim') ?? hidden / heads
  const inner = size('intermediate_size') ?? 4 * hidden
  return {
    cachePerToken: 2 * network.blocks.length * keyHeads * width * 2,
    activations: FLOAT * (PROMPT * (4 * hidden + 2 * inner) + head.vocabulary),
    attentionPerToken: FLOAT * PROMPT * heads,
  }
}

import { bert } from './bert.ts'
import type { Architecture } from './define.ts'
import { qwen2moe, qwen3moe } from './qwen-moe.ts'
import { gemma2, gemma3 } from './gemma.ts'
import { gptneox } from './gpt-neox.ts'
import { gpt2 } from './gpt2.ts'
import { llama } from './llama.ts'
import { phi3 } from './phi3.ts'
import { qwen2, qwen3 } from './qwen.ts'

/** GGUF architectures that open as a known model and can be written. OPT has none: llama.cpp does not run it. */
export const architectures: readonly Architecture[] = [
  llama,
  qwen2,
  qwen3,
  qwen2moe,
  qwen3moe,
  gemma2,
  gemma3,
  phi3,
  gpt2,
  gptneox,
  bert,
]

export const architectureById = (id: string): Architecture | undefined => architectures.find((each) => each.id === id)

/** The architecture that a Hugging Face configuration is written as. */
export const architectureFor = (modelType: string): Architecture | undefined =>
  architectures.find(({ modelTypes }) => modelTypes.includes(modelType))

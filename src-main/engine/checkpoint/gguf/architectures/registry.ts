import type { Architecture } from './define.ts'
import { llama } from './llama.ts'
import { qwen2, qwen3 } from './qwen.ts'

/** GGUF architectures that open as a known model and can be written. OPT has none: llama.cpp does not run it. */
export const architectures: readonly Architecture[] = [llama, qwen2, qwen3]

export const architectureById = (id: string): Architecture | undefined => architectures.find((each) => each.id === id)

/** The architecture that a Hugging Face configuration is written as. */
export const architectureFor = (modelType: string): Architecture | undefined =>
  architectures.find(({ modelTypes }) => modelTypes.includes(modelType))

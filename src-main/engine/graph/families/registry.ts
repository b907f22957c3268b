import type { Family } from './define.ts'
import { llama } from './llama.ts'
import { mistral } from './mistral.ts'
import { qwen2 } from './qwen2.ts'

/** Model families that open as a runnable graph. */
export const modelFamilies: readonly Family[] = [llama, mistral, qwen2]

import { bert, roberta, xlmRoberta } from './bert.ts'
import type { Family } from './define.ts'
import { clip } from './clip.ts'
import { distilbert } from './distilbert.ts'
import { gemma2 } from './gemma2.ts'
import { gemma3, gemma3Text } from './gemma3.ts'
import { gptNeox } from './gpt-neox.ts'
import { gpt2 } from './gpt2.ts'
import { llama } from './llama.ts'
import { llava } from './llava.ts'
import { mistral } from './mistral.ts'
import { mixtral } from './mixtral.ts'
import { opt } from './opt.ts'
import { phi3 } from './phi3.ts'
import { qwen2Moe, qwen3Moe } from './qwen-moe.ts'
import { qwen2 } from './qwen2.ts'
import { qwen3 } from './qwen3.ts'
import { swin } from './swin.ts'
import { deit, vit } from './vit.ts'

/** Model families that open as a runnable graph. */
export const modelFamilies: readonly Family[] = [
  ...[llama, mistral, qwen2, qwen3, gemma2, gemma3Text, gemma3, phi3, gpt2, gptNeox, opt, mixtral, qwen2Moe, qwen3Moe],
  ...[bert, roberta, xlmRoberta, distilbert],
  ...[vit, deit, swin, clip, llava],
]

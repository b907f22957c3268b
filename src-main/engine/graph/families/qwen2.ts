import type { Settings } from './config.ts'
import { buildDecoder } from './decoder.ts'
import { defineFamily } from './define.ts'
import { llamaSpec, readLayerTypes, readShape, readWindow } from './llama-like.ts'
import { readRope } from './rope.ts'

/** Sliding windows of the Qwen family: off unless asked for, and then in the upper blocks only. */
export function readQwenWindows(config: Settings, depth: number): (number | null)[] {
  const window = config.flag('use_sliding_window', false) ? readWindow(config) : null
  const from = config.integer('max_window_layers', { min: 0, max: 4096 }, 28)
  const upper = Array.from({ length: depth }, (_, block) => (block >= from ? window : null))
  return readLayerTypes(config, depth, window) ?? upper
}

/** Qwen2 and Qwen2.5: Llama with biases on query, key and value; upper blocks may use a sliding window. */
export const qwen2 = defineFamily({
  id: 'qwen2',
  title: 'Qwen2',
  architectures: ['Qwen2ForCausalLM'],
  build(config, tensors) {
    const shape = readShape(config, 'qwen2')
    const rope = readRope(config, { size: shape.headSize, context: shape.context })
    const windows = readQwenWindows(config, shape.depth)
    return buildDecoder(llamaSpec(shape, { rope, windows, biases: { qkv: true } }), tensors)
  },
})

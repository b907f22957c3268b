import { z } from 'zod'

/** What a layer does in its block. */
export const roles = [
  'embed',
  'head',
  'q',
  'k',
  'v',
  'qkv',
  'o',
  'gate',
  'up',
  'down',
  'fc',
  'conv',
  'depthwise',
  'linear',
  'recurrent',
  'norm',
  'bias',
  'other',
] as const
export type Role = (typeof roles)[number]

export const layerSchema = z.object({
  name: z.string(), // name of the weight tensor in the checkpoint
  role: z.enum(roles),
  block: z.number().int().nullable(), // index into the network's blocks, null before, after or outside them
  expert: z.number().int().optional(), // of a mixture: which expert of its block it belongs to
  shape: z.array(z.number().int()),
  dtype: z.string(),
  bytes: z.number(), // in the file
  stored: z.string().nullable().default(null), // packed form in the file ('Q4_K', 'GPTQ 4-bit g128'); null: plain elements of dtype
  parameters: z.number(),
  compressible: z.boolean(), // false for norms, biases and tensors too small to gain
})
export type LayerSummary = z.infer<typeof layerSchema>

export const checkpointFormats = ['onnx', 'safetensors', 'gguf', 'pytorch'] as const
/** What a network is for; 'none': tensors only, nothing can be run. */
export const tasks = [
  'causal-lm',
  'masked-lm',
  'sequence-classification',
  'feature-extraction',
  'image-classification',
  'image-features',
  'image-text-similarity',
  'image-text-to-text',
  'other',
  'none',
] as const

export const checkpointSummarySchema = z.object({
  path: z.string(),
  name: z.string(),
  format: z.enum(checkpointFormats),
  family: z.string(), // 'llama', 'mistral', 'qwen2', 'onnx', 'tensors-only' ...
  task: z.enum(tasks),
  parameters: z.number(),
  bytes: z.number(), // of the checkpoint's weight and graph files
  blocks: z.number().int(),
  layers: z.array(layerSchema),
  fingerprint: z.string(), // sha256 over headers, sizes and sampled content: identity for caches
  notices: z.array(z.string()),
  /** Export formats that can hold variants of it, the default first; those that cannot, with the reason, behind. */
  exports: z.array(z.object({ format: z.string(), reason: z.string().nullable() })).default([]),
  tied: z.array(z.string()).default([]), // tensors that serve twice: an embedding that is also the output head
  licence: z.string().nullable().default(null), // as the checkpoint states it
  /** What comes with the weights and can be asked for ('checkpoint.documents', 'checkpoint.chat'). */
  documents: z.array(z.enum(['config', 'tokenizer', 'chat-template'])).default([]),
  card: z.record(z.string(), z.string()), // context length, vocabulary, opset, producer ... for people
})
export type CheckpointSummary = z.infer<typeof checkpointSummarySchema>

/** What lies beside the weights, as text for people; from the file, so never markup. */
export const documentsSchema = z.object({
  config: z.string().nullable(), // JSON, indented; long ones are cut
  tokenizer: z.object({ kind: z.string(), entries: z.number().int(), special: z.number().int() }).nullable(),
  chatTemplate: z.string().nullable(),
})
export type Documents = z.infer<typeof documentsSchema>

export const chatMessageSchema = z.object({ role: z.string().max(64), content: z.string().max(65_536) })
/** A conversation as the checkpoint's own chat template writes it. */
export const chatSchema = z.object({ text: z.string(), tokens: z.number().int().nullable() })
export type Chat = z.infer<typeof chatSchema>

export const histogramSchema = z.object({
  layer: z.string(),
  edges: z.array(z.number()), // bins + 1
  counts: z.array(z.number()),
  min: z.number(),
  max: z.number(),
  mean: z.number(),
  standardDeviation: z.number(),
  zeros: z.number(),
  nonFinite: z.number(),
})
export type Histogram = z.infer<typeof histogramSchema>

export const dataSummarySchema = z.object({
  path: z.string(),
  kind: z.enum(['text', 'image-classification', 'noise']),
  calibrate: z.number().int(), // samples: windows of text, or images
  evaluate: z.number().int(),
  unit: z.string(), // 'windows of 256 tokens', 'images'
  split: z.string(), // how the two parts were made disjoint, in words
  details: z.record(z.string(), z.string()), // tokens, classes, preprocessing
  notices: z.array(z.string()),
  fingerprint: z.string(),
})
export type DataSummary = z.infer<typeof dataSummarySchema>

// The metadata of the file: the architecture's, the tokenizer's and the general keys.
import type { Metadata, MetadataValue } from '../../checkpoint/gguf/metadata.ts'
import type { Network } from '../../checkpoint/network.ts'
import type { GgmlType } from '../../kernels/ggml/types.ts'
import type { ChosenTensor } from './choose.ts'
import type { Layout } from './layout.ts'
import { tokenizerMetadata } from './tokenizer/metadata.ts'

const QUANTIZATION_VERSION = 2 // of ggml's block formats

/** general.file_type: llama.cpp's number for a file mostly of one type (enum llama_ftype). Information only. */
const fileTypes: Partial<Record<GgmlType, number>> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q8_0: 7,
  Q5_0: 8,
  Q5_1: 9,
  Q2_K: 10,
  Q3_K: 11,
  Q4_K: 14,
  Q5_K: 16,
  Q6_K: 18,
  IQ2_XXS: 19,
  IQ2_XS: 20,
  IQ3_XXS: 23,
  IQ1_S: 24,
  IQ4_NL: 25,
  IQ3_S: 26,
  IQ2_S: 28,
  IQ4_XS: 30,
  IQ1_M: 31,
  BF16: 32,
  TQ1_0: 36,
  TQ2_0: 37,
  MXFP4: 38,
}

const text = (value: string): MetadataValue => ({ type: 'string', value })
const count = (value: number): MetadataValue => ({ type: 'uint32', value })

/** Every key but those of split files. Its size does not depend on the types of the tensors. */
export function metadataOf(
  network: Network,
  layout: Layout,
  chosen: readonly ChosenTensor[],
  preTokenizer: string | null,
): Metadata {
  return new Map<string, MetadataValue>([
    ['general.architecture', text(layout.architecture.id)],
    ['general.type', text('model')],
    ['general.name', text(network.name)],
    ['general.quantization_version', count(QUANTIZATION_VERSION)],
    ['general.file_type', count(fileTypes[mostly(chosen)] ?? 0)],
    ['lathe.source.fingerprint', text(network.fingerprint)],
    ...layout.metadata,
    ...tokenizerMetadata(network, layout.embeddingRows, preTokenizer),
  ])
}

/** The type that most weights are in. */
function mostly(chosen: readonly ChosenTensor[]): GgmlType {
  const weights = new Map<GgmlType, number>()
  for (const { tensor, type } of chosen) weights.set(type, (weights.get(type) ?? 0) + tensor.rows * tensor.cols)
  return [...weights].reduce<[GgmlType, number]>((most, each) => (each[1] > most[1] ? each : most), ['F32', 0])[0]
}

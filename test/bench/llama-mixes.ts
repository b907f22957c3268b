// Which type llama.cpp's quantizer gives each tensor of a file, for dense Llama-type networks and with an importance matrix:
// facts of ggml-org/llama.cpp, src/llama-quant.cpp, llama_tensor_get_type. Without experts; blocks of 256 fit every row.
import type { WritableType } from '../../src-main/engine/export/gguf/types.ts'

export interface Shape {
  blocks: number
  queriesPerKey: number // heads of queries for each head of keys
}

/** role as in engine/checkpoint, 'head' of the output matrix. */
export type Mix = (role: string, block: number, shape: Shape) => WritableType

interface Rules {
  base: WritableType
  head?: WritableType // Q6_K where it is not said
  embed?: WritableType
  q?: WritableType
  k?: WritableType
  v?: (block: number, shape: Shape) => WritableType | null // null: base
  o?: WritableType
  down?: (block: number, shape: Shape) => WritableType | null
}

const eighth = ({ blocks }: Shape): number => Math.floor(blocks / 8)
const manyQueries = ({ queriesPerKey }: Shape): boolean => queriesPerKey >= 4

/** The first and last eighth of the blocks, and every third between. */
const oftenWide = (block: number, shape: Shape): boolean =>
  block < eighth(shape) || block >= Math.floor((7 * shape.blocks) / 8) || (block - eighth(shape)) % 3 === 2

const wideWhere =
  (where: (block: number, shape: Shape) => boolean, type: WritableType) =>
  (block: number, shape: Shape): WritableType | null =>
    where(block, shape) ? type : null
const early = (block: number, shape: Shape): boolean => block < eighth(shape)

/** Values of the 2-bit code books: 4 bits where many queries share them. */
const valuesOr =
  (type: WritableType) =>
  (_: number, shape: Shape): WritableType =>
    manyQueries(shape) ? 'Q4_K' : type

const rules: Record<string, Rules> = {
  Q8_0: { base: 'Q8_0', head: 'Q8_0' },
  Q6_K: { base: 'Q6_K' },
  Q5_K_M: { base: 'Q5_K', v: wideWhere(oftenWide, 'Q6_K'), down: wideWhere(oftenWide, 'Q6_K') },
  Q4_K_M: { base: 'Q4_K', v: wideWhere(oftenWide, 'Q6_K'), down: wideWhere(oftenWide, 'Q6_K') },
  Q4_K_S: { base: 'Q4_K', v: wideWhere((block) => block < 4, 'Q5_K'), down: wideWhere(early, 'Q5_K') },
  Q4_0: { base: 'Q4_0', down: wideWhere(early, 'Q4_1') },
  IQ4_XS: { base: 'IQ4_XS', v: wideWhere((_, shape) => manyQueries(shape), 'Q5_K') },
  Q3_K_M: {
    base: 'Q3_K',
    v: (block) => (block < 2 ? 'Q5_K' : 'Q4_K'),
    o: 'Q4_K',
    down: (block, { blocks }) => (block < Math.floor(blocks / 16) ? 'Q5_K' : 'Q4_K'),
  },
  IQ3_S: { base: 'IQ3_S', v: wideWhere((_, shape) => manyQueries(shape), 'Q4_K') },
  IQ3_XXS: {
    base: 'IQ3_XXS',
    head: 'Q5_K',
    embed: 'IQ3_S',
    q: 'IQ2_S',
    k: 'IQ2_S',
    v: valuesOr('IQ3_XXS'),
    o: 'IQ3_S',
  },
  Q2_K: { base: 'Q2_K', v: valuesOr('Q3_K'), o: 'Q3_K', down: () => 'Q3_K' },
  // Named after the larger of its types: most tensors are IQ2_XS.
  IQ2_S: {
    base: 'IQ2_XS',
    head: 'Q5_K',
    embed: 'IQ3_S',
    v: valuesOr('IQ3_S'),
    o: 'IQ3_S',
    down: wideWhere(early, 'IQ3_S'),
  },
  IQ2_XS: { base: 'IQ2_XS', head: 'Q5_K', embed: 'Q2_K', v: valuesOr('Q2_K'), down: wideWhere(early, 'Q2_K') },
  IQ2_XXS: { base: 'IQ2_XXS', head: 'Q5_K', embed: 'Q2_K', v: valuesOr('Q2_K'), down: wideWhere(early, 'Q2_K') },
}

export const mixes: Record<string, Mix> = Object.fromEntries(
  Object.entries(rules).map(([name, rule]): [string, Mix] => [
    name,
    (role, block, shape) => {
      const { base } = rule
      if (role === 'head') return rule.head ?? 'Q6_K'
      if (role === 'v' || role === 'down') return rule[role]?.(block, shape) ?? base
      return role === 'embed' || role === 'q' || role === 'k' || role === 'o' ? (rule[role] ?? base) : base
    },
  ]),
)

// The body of a text encoder. Devlin et al. 2019, "BERT", section 3; Liu et al. 2019, "RoBERTa"; Sanh et al. 2019, "DistilBERT":
//   h <- norm(word + position + segment);   then layers of 'post' order (transformer.ts)
import type { Block } from '../../checkpoint/network.ts'
import { int, type ValueInfo } from '../ir.ts'
import { buildEncoderAttention } from './attend.ts'
import type { GraphBuilder } from './builder.ts'
import { buildNorm } from './norm.ts'
import { counting, countingPast, keyMask, shapedAs, tokenInput } from './text-inputs.ts'
import { addBlock, buildLayer, type LayerNames, type TransformerSpec } from './transformer.ts'

export interface EncoderSpec extends TransformerSpec {
  family: string
  file: string // config.json, for messages
  vocabulary: number
  positions: number // rows of the table of positions
  segments: number // rows of the table of segments; 0: none
  /** Whether the graph takes token_type_ids; where not, all tokens are of segment 0. */
  segmentInput: boolean
  /** Number of the padding token, where positions count past it. */
  countedPast: number | null
  depth: number
  heads: number
  embeddings: { word: string; position: string; segment: string; norm: string } // modules
  layer: (index: number) => { name: string; names: LayerNames }
}

export interface EncoderBody {
  hidden: string // rows [batch * time, width]
  embedding: string // initializer [vocabulary, width]
  inputs: ValueInfo[]
  blocks: Block[]
}

export function buildEncoder(b: GraphBuilder, spec: EncoderSpec): EncoderBody {
  const { width, heads, epsilon } = spec
  const embedding = b.weight(`${spec.embeddings.word}.weight`, [spec.vocabulary, width], {
    role: 'embed',
    block: null,
    op: 'Gather',
  })
  let hidden = buildEmbeddings(b, spec, embedding)
  const size = width / heads
  const how = { split: shapedAs(b, 'heads_shape', [heads, size]), heads, size, mask: keyMask(b) }
  const blocks: Block[] = []
  for (let i = 0; i < spec.depth; i++) {
    const layer = spec.layer(i)
    hidden = addBlock(b, blocks, { name: layer.name, inputs: [hidden] }, (block) =>
      buildLayer(
        b,
        hidden,
        `hidden.${i + 1}`,
        { ...spec, epsilon },
        { ...layer, block },
        {
          attend: (module, rows) => buildEncoderAttention(b, module, rows, how),
        },
      ),
    )
  }
  const names = ['input_ids', 'attention_mask', ...(spec.segmentInput ? ['token_type_ids'] : [])]
  return { hidden, embedding, inputs: names.map((name) => tokenInput(name)), blocks }
}

/** Rows [batch * time, width] 'hidden.0'. */
function buildEmbeddings(b: GraphBuilder, spec: EncoderSpec, embedding: string): string {
  const { width, embeddings } = spec
  const look = (table: string, ids: string, name: string) => b.op('Gather', [table, ids], name, { axis: int(0) })
  const word = look(embedding, 'input_ids', 'embedded.words')
  const table = b.weight(`${embeddings.position}.weight`, [spec.positions, width], {
    role: 'embed',
    block: null,
    op: 'Gather',
    keep: true,
  })
  const places = spec.countedPast === null ? counting(b) : countingPast(b, spec.countedPast)
  let sum = b.op('Add', [word, look(table, places, 'embedded.positions')], 'embedded.placed')
  if (spec.segments > 0) {
    const types = b.weight(`${embeddings.segment}.weight`, [spec.segments, width], {
      role: 'embed',
      block: null,
      op: 'Gather',
      keep: true,
    })
    const ids = spec.segmentInput ? 'token_type_ids' : b.integers('first_segment', [0], [])
    sum = b.op('Add', [sum, look(types, ids, 'embedded.segments')], 'embedded.sum')
  }
  const rows = b.op('Reshape', [sum, b.integers('embedded.rows', [-1, width])], 'embedded')
  const norm = { kind: 'layer', module: embeddings.norm, size: width, epsilon: spec.epsilon } as const
  return b.describe(buildNorm(b, norm, rows, 'hidden.0', null), [null, width])
}

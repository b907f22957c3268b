import { bytesRange } from '../../../src-main/engine/checkpoint/onnx/wire.ts'
import { sentencePieceDocument } from '../../../src-main/engine/checkpoint/vocabulary/sentence-piece.ts'
import { readPieceModel } from '../../../src-main/engine/checkpoint/vocabulary/piece-model.ts'
import { tokenizerFrom } from '../../../src-main/engine/data/text/tokenizer.ts'
import { concat, int, message, text } from '../../corpus/protobuf.ts'
import type { FuzzTarget } from '../target.ts'

const score = (value: number) => concat([0x15], new Uint8Array(new Float32Array([value]).buffer))
const piece = (name: string, value: number, type: number) => message(1, text(1, name), score(value), int(3, type))
const pieces = [
  piece('<unk>', 0, 2),
  piece('<s>', 0, 3),
  piece('</s>', 0, 3),
  piece('<0x0A>', 0, 6),
  ...['ab', '▁a', '▁', 'a', 'b', 'c'].map((name, index) => piece(name, -index, 1)),
]
const model = (type: number) =>
  concat(...pieces, message(2, int(3, type), int(35, type - 1), int(40, 0)), message(3, text(1, 'identity'), int(3, 1)))

/** A SentencePiece model, read, turned into rules and used. */
export const pieceModel: FuzzTarget = {
  name: 'piece-model',
  seeds: () => [model(1), model(2)],
  run(bytes) {
    const bpe = readPieceModel(bytesRange(bytes, 'tokenizer.model')).bpe
    const config = new TextEncoder().encode(JSON.stringify({ tokenizer_class: bpe ? 'LlamaTokenizer' : 'T5Tokenizer' }))
    const folder = {
      has: (name: string) => name === 'tokenizer_config.json',
      path: (name: string) => name,
      read: (name: string) => (name === 'tokenizer_config.json' ? config : bytes),
    }
    const tokenizer = tokenizerFrom(sentencePieceDocument(folder, 'tokenizer.model'), 'tokenizer.model', 1000)
    tokenizer.encode('ab abc\n', 'a text')
  },
  dictionary: [
    '<unk>',
    '<s>',
    '▁',
    '<0x41>',
    '<0xZZ>',
    Uint8Array.from([0x15, 0, 0, 0xc0, 0x7f]),
    Uint8Array.from([0x0a, 0x05, 0x0a, 0x01, 0x61]),
    Uint8Array.from([0x12, 0x02, 0x18, 0x02]),
  ],
}

// A SentencePiece model file: a protobuf message with the pieces, how it was trained and how text is prepared.
//   sentencepiece_model.proto: ModelProto { pieces = 1 { piece = 1, score = 2, type = 3 }, trainer_spec = 2 { model_type = 3,
//   byte_fallback = 35, unk_id = 40, bos_id = 41, eos_id = 42 }, normalizer_spec = 3 { precompiled_charsmap = 2,
//   add_dummy_prefix = 3, remove_extra_whitespaces = 4 } }; piece types 1 normal, 2 unknown, 3 control, 4 user-defined,
//   5 unused, 6 byte
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { TokenList } from '../gguf/tokenizer/tokens.ts'
import { type ByteRange, Wire } from '../onnx/wire.ts'

export interface PieceModel {
  tokens: TokenList & { types: number[]; scores: number[] }
  bpe: boolean // or a unigram model
  byteFallback: boolean
  unknown: number
  characterMap: Uint8Array | null
  dummyPrefix: boolean
  removeBlanks: boolean
}

const mostPieces = 1_000_000
const mostMapBytes = 16 << 20
const message = { 1: 'pieces[]', 2: 'trainer_spec', 3: 'normalizer_spec' }
const pieceMessage = { 1: 'piece', 2: 'score', 3: 'type' }
const trainerMessage = { 3: 'model_type', 35: 'byte_fallback', 40: 'unk_id' }
const normalizerMessage = { 2: 'precompiled_charsmap', 3: 'add_dummy_prefix', 4: 'remove_extra_whitespaces' }
const modelTypes = ['', 'unigram', 'bpe', 'word', 'char']

/** Faults 'bad-input' naming field and offset; 'unsupported' for word and character models. */
export function readPieceModel(range: ByteRange): PieceModel {
  const wire = new Wire(range)
  const [texts, scores, types]: [string[], number[], number[]] = [[], [], []]
  const model = { type: 1, byteFallback: false, unknown: 0, dummyPrefix: true, removeBlanks: true }
  let characterMap: Uint8Array | null = null
  wire.walk(range.size, message, (field) => {
    if (field === 1) {
      if (texts.length >= mostPieces) throw wire.fault(`more than ${mostPieces} pieces`, { code: 'too-large' })
      const piece = readPiece(wire)
      texts.push(piece.text)
      scores.push(piece.score)
      types.push(piece.type)
    } else if (field === 2) {
      wire.message(trainerMessage, (inner) => {
        if (inner === 3) model.type = wire.integer()
        else if (inner === 35) model.byteFallback = wire.integer() !== 0
        else if (inner === 40) model.unknown = wire.integer()
      })
    } else if (field === 3) {
      wire.message(normalizerMessage, (inner) => {
        if (inner === 2) {
          if (wire.stop - wire.begin > mostMapBytes)
            throw wire.fault('the character table is too large', { code: 'too-large' })
          characterMap = wire.bytes()
        } else if (inner === 3) model.dummyPrefix = wire.integer() !== 0
        else if (inner === 4) model.removeBlanks = wire.integer() !== 0
      })
    }
  })
  const { path } = range
  if (texts.length === 0)
    throw new Fault('bad-input', `${path}: no SentencePiece model: it holds no pieces`, {
      data: { file: path, field: 'pieces', offset: 0 },
    })
  if (model.type !== 1 && model.type !== 2)
    throw new Fault('unsupported', `${path}: a SentencePiece model of type ${modelTypes[model.type] ?? model.type}`, {
      data: { file: path, field: 'trainer_spec.model_type', expected: 'unigram or bpe' },
    })
  if (!(model.unknown >= 0 && model.unknown < texts.length))
    throw new Fault('bad-input', `${path}: the unknown piece is number ${model.unknown} of ${texts.length}`, {
      data: { file: path, field: 'trainer_spec.unk_id' },
    })
  const map = characterMap as Uint8Array | null // assigned in a closure
  return {
    tokens: { file: path, texts, scores, types },
    bpe: model.type === 2,
    byteFallback: model.byteFallback,
    unknown: model.unknown,
    characterMap: map !== null && map.length > 0 ? map : null,
    dummyPrefix: model.dummyPrefix,
    removeBlanks: model.removeBlanks,
  }
}

function readPiece(wire: Wire): { text: string; score: number; type: number } {
  const piece = { text: '', score: 0, type: 1 }
  wire.message(pieceMessage, (field) => {
    if (field === 1) piece.text = wire.text()
    else if (field === 2) piece.score = wire.float()
    else if (field === 3) piece.type = wire.integer()
  })
  if (!Number.isFinite(piece.score)) throw wire.fault(`the score ${piece.score}`)
  if (piece.text === '') throw wire.fault('a piece without text')
  return piece
}

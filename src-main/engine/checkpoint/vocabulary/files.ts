// Vocabularies in the forms of before tokenizer.json, as tokenizer.json documents.
import type { JsonMap } from '../json.ts'
import { byteLevelDocument } from './byte-level.ts'
import { sentencePieceDocument } from './sentence-piece.ts'
import type { VocabularyFolder } from './settings.ts'
import { wordPieceDocument } from './word-piece.ts'

interface VocabularyForm {
  files: readonly string[] // that must all be there; the first is the one that is named
  document: (folder: VocabularyFolder) => JsonMap
}

/** The first form whose files are there counts. */
export const vocabularyForms: readonly VocabularyForm[] = [
  { files: ['vocab.json', 'merges.txt'], document: byteLevelDocument },
  { files: ['tokenizer.model'], document: (folder) => sentencePieceDocument(folder, 'tokenizer.model') },
  { files: ['spiece.model'], document: (folder) => sentencePieceDocument(folder, 'spiece.model') },
  {
    files: ['sentencepiece.bpe.model'],
    document: (folder) => sentencePieceDocument(folder, 'sentencepiece.bpe.model'),
  },
  { files: ['vocab.txt'], document: wordPieceDocument },
]

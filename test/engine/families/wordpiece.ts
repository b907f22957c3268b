import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const specials = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
const letters = Array.from('abcdefghijklmnopqrstuvwxyz')
const pieces = Array.from('aeinorst', (letter) => `##${letter}`)

/** A tokenizer of 39 tokens as BERT's are: letters, some of them also inside words. */
export function writeWordPiece(folder: string): void {
  const vocabulary = Object.fromEntries([...specials, ...letters, ...pieces].map((token, id) => [token, id]))
  const special = (id: number) => ({
    ...{ id, content: specials[id], single_word: false, lstrip: false, rstrip: false },
    ...{ normalized: false, special: true },
  })
  const token = (name: string) => ({ SpecialToken: { id: name, type_id: 0 } })
  const document = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specials.map((_, id) => special(id)),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [token('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, token('[SEP]')],
      pair: [
        token('[CLS]'),
        { Sequence: { id: 'A', type_id: 0 } },
        token('[SEP]'),
        { Sequence: { id: 'B', type_id: 1 } },
      ],
      special_tokens: Object.fromEntries(
        ['[CLS]', '[SEP]'].map((name) => [name, { id: name, ids: [specials.indexOf(name)], tokens: [name] }]),
      ),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: vocabulary,
    },
  }
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(document))
}

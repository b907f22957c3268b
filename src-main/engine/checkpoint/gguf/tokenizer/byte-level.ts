// tokenizer.ggml.model "gpt2": byte-level BPE. Radford et al. 2019, "Language Models are Unsupervised Multitask Learners",
// section 2.2: bytes are written as printable characters, and merged in the order of the list.
import type { Json, JsonMap } from '../../json.ts'
import { ggufFault } from '../cursor.ts'
import type { Rules } from './document.ts'
import { preTokenizers } from './pre-tokenizers.ts'
import { addedTokens, endsOf, json, template, vocabularyOf } from './tokens.ts'

/** "left right" lines; a merge of texts that are no tokens can never be made, and is left out. */
function mergesOf(lines: readonly string[], vocabulary: JsonMap): Json[] {
  const merges: Json[] = []
  for (const line of lines) {
    const cut = line.indexOf(' ', 1) // a text may begin with a blank, but not hold one
    if (cut < 0) continue
    const [left, right] = [line.slice(0, cut), line.slice(cut + 1)]
    if (vocabulary.has(left) && vocabulary.has(right) && vocabulary.has(left + right)) merges.push([left, right])
  }
  return merges
}

export const byteLevel: Rules = (contents, tokens, reader) => {
  const pre = reader.text('pre', '')
  const how = preTokenizers.get(pre)
  if (!how) {
    throw ggufFault(contents.file, `the pre-tokenizer ${JSON.stringify(pre.slice(0, 40))} is not known`, {
      code: 'unsupported',
      field: 'tokenizer.ggml.pre',
      found: pre.slice(0, 40),
      hint: 'Name the tokenizer.json of the original checkpoint in the data description.',
    })
  }
  const list = contents.metadata.get('tokenizer.ggml.merges')
  if (list?.type !== 'array' || list.of !== 'string') throw reader.wrong('merges', 'a list of texts')
  const vocabulary = vocabularyOf(tokens)
  const ends = endsOf(contents, tokens, { begin: how.begin ?? false, end: false })
  const splits = how.patterns.map((pattern) =>
    json({ type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false }),
  )
  const bytes = (regex: boolean) =>
    json({
      type: 'ByteLevel',
      add_prefix_space: reader.flag('add_space_prefix', false),
      trim_offsets: true,
      use_regex: regex,
    })
  return new Map<string, Json>([
    ['added_tokens', addedTokens(tokens)],
    ['normalizer', null],
    ['pre_tokenizer', json({ type: 'Sequence', pretokenizers: [...splits, bytes(false)] })],
    ['post_processor', template(ends, tokens)],
    ['decoder', bytes(true)],
    [
      'model',
      json({
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: how.ignoreMerges ?? false,
        vocab: vocabulary,
        merges: mergesOf(list.values(), vocabulary),
      }),
    ],
  ])
}

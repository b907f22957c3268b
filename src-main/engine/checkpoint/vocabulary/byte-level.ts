// vocab.json and merges.txt: byte-level BPE as GPT-2 has it (Radford et al. 2019, section 2.2), and two of its kin.
//   transformers, convert_slow_tokenizer.py: GPT2Converter, RobertaConverter, Qwen2Converter
import { json, template } from '../gguf/tokenizer/tokens.ts'
import type { Json, JsonMap } from '../json.ts'
import {
  addedTokens,
  badFile,
  flag,
  readMap,
  readSettings,
  type TokenizerSettings,
  unknownClass,
  type VocabularyFolder,
} from './settings.ts'

interface Rules {
  ends: boolean // special tokens stand around a text
  pattern?: string // where it does not cut text as GPT-2 does
}

const qwen =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
const each = (names: readonly string[], rules: Rules): [string, Rules][] => names.map((name) => [name, rules])

/** By the name of the class; '' where the folder does not tell. */
const classes: ReadonlyMap<string, Rules> = new Map([
  ...each(['', 'GPT2Tokenizer', 'OPTTokenizer', 'CodeGenTokenizer', 'GPTNeoXTokenizer', 'BloomTokenizer'], {
    ends: false,
  }),
  ...each(['RobertaTokenizer', 'BartTokenizer', 'LongformerTokenizer', 'LEDTokenizer'], { ends: true }),
  ...each(['Qwen2Tokenizer'], { ends: false, pattern: qwen }),
])

/** Lines "left right"; the first may give a version. */
function mergesOf(folder: VocabularyFolder): Json[] {
  const file = folder.path('merges.txt')
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(folder.read('merges.txt'))
  } catch {
    throw badFile(file, 'the merges are not UTF-8', 'merges.txt')
  }
  const merges: Json[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const pair = line.replace(/\r$/, '').split(' ')
    if (line === '' || (index === 0 && line.startsWith('#version'))) continue
    if (pair.length !== 2) throw badFile(file, `line ${index + 1} is no pair of tokens`, `line ${index + 1}`)
    merges.push(pair)
  }
  return merges
}

export function byteLevelDocument(folder: VocabularyFolder): JsonMap {
  const settings = readSettings(folder)
  const { config, roles, className } = settings
  const rules = classes.get(className)
  if (!rules)
    throw unknownClass(
      settings,
      [...classes.keys()].filter((name) => name !== ''),
    )
  const vocabulary = readMap(folder, 'vocab.json')
  const idOf = (token: string) =>
    numberOf(vocabulary.get(token)) ?? settings.added.find(({ content }) => content === token)?.id
  const prefix = flag(config, 'add_prefix_space', false)
  const bytes = (regex: boolean) =>
    json({ type: 'ByteLevel', add_prefix_space: prefix, trim_offsets: true, use_regex: regex })
  const split = (pattern: string) =>
    json({ type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false })
  return new Map<string, Json>([
    ['version', '1.0'],
    ['truncation', null],
    ['padding', null],
    ['added_tokens', addedTokens(settings, idOf)],
    ['normalizer', rules.pattern === undefined ? null : json({ type: 'NFC' })],
    [
      'pre_tokenizer',
      rules.pattern === undefined
        ? bytes(true)
        : json({ type: 'Sequence', pretokenizers: [split(rules.pattern), bytes(false)] }),
    ],
    ['post_processor', endsOf(settings, rules.ends, idOf)],
    ['decoder', bytes(true)],
    [
      'model',
      json({
        type: 'BPE',
        dropout: null,
        unk_token: rules.ends ? (roles.unk_token ?? null) : null,
        continuing_subword_prefix: '',
        end_of_word_suffix: '',
        fuse_unk: false,
        byte_fallback: false,
        vocab: vocabulary,
        merges: mergesOf(folder),
      }),
    ],
  ])
}

const numberOf = (value: Json | undefined): number | undefined => (typeof value === 'number' ? value : undefined)

/** <s> text </s>, as RoBERTa has it; GPT-2's kin puts a begin token only where it is told to. */
function endsOf(settings: TokenizerSettings, ends: boolean, idOf: (token: string) => number | undefined): Json {
  const { roles, config } = settings
  const begin = ends
    ? (roles.cls_token ?? roles.bos_token ?? '<s>')
    : flag(config, 'add_bos_token', false)
      ? roles.bos_token
      : undefined
  const end = ends ? (roles.sep_token ?? roles.eos_token ?? '</s>') : undefined
  const known = [begin, end].map((token) => (token !== undefined && idOf(token) !== undefined ? token : null))
  return around(known[0] ?? null, known[1] ?? null, idOf)
}

/** A template with the tokens' real numbers. */
export function around(begin: string | null, end: string | null, idOf: (token: string) => number | undefined): Json {
  const texts: string[] = []
  for (const token of [begin, end]) if (token !== null) texts[idOf(token) ?? 0] = token
  return template({ begin, end }, { file: '', texts, types: null, scores: null })
}

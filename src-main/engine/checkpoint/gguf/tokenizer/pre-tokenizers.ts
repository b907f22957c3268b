// How text is cut before byte-level BPE, by `tokenizer.ggml.pre`. Each pattern cuts every piece into its matches and what
// lies between. The patterns are those of the published tokenizers, as llama.cpp lists them (src/llama-vocab.cpp).

export interface PreTokenizer {
  patterns: readonly string[]
  ignoreMerges?: boolean // a piece that is a token is taken whole
  begin?: boolean // a begin token is put in front where the file does not say
}

const shortened = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
const gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"
const spaces = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'
/** Words, numbers of at most `digits`, signs, blanks: the pattern of cl100k and its descendants. */
const words = (digits: string) =>
  `${shortened}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${spaces}`
const upper = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]'
const lower = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]'
/** Words cut where small letters end: the pattern of o200k and tekken. */
const cased = (digits: string, ending: string) =>
  `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+${ending}|[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*${ending}|` +
  `\\p{N}${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${spaces}`
const deepseek3 =
  '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|' +
  ` ?[\\p{P}\\p{S}]+[\\r\\n]*|${spaces}`
const scripts = ' ?[^(\\s|.,!?…。，、।۔،)]+'
const marks = `${shortened}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|${spaces}`

const groups: readonly (readonly [names: readonly string[], PreTokenizer])[] = [
  [['', 'default'], { patterns: ['[\\p{P}\\$\\+<=>\\^~\\|]+', gpt2, '\\p{N}+', '[0-9][0-9][0-9]'] }],
  [
    ['llama3', 'llama-v3', 'llama-bpe', 'falcon3', 'falcon-h1', 'pixtral', 'midm-2.0', 'lfm2', 'jina-v5-nano'],
    { patterns: [words('{1,3}')], ignoreMerges: true, begin: true },
  ],
  [['dbrx', 'smaug-bpe', 'glm4', 'chatglm-bpe'], { patterns: [words('{1,3}')] }],
  [
    ['qwen2', 'deepseek-r1-qwen', 'kormo', 'f2llmv2', 'stablelm2', 'megrez', 'hunyuan', 'solar-open', 'grok-2'],
    { patterns: [words('')] },
  ],
  [['qwen35'], { patterns: [marks] }],
  [
    [
      ...['gpt-2', 'phi-2', 'jina-es', 'jina-de', 'gigachat', 'jina-v2-es', 'jina-v2-de', 'a.x-4.0', 'mellum'],
      ...['modern-bert', 'mpt', 'olmo', 'jais', 'trillion', 'granite-docling', 'exaone4'],
      ...['jina-v1-en', 'jina-v2-code', 'roberta-bpe'],
    ],
    { patterns: [gpt2] },
  ],
  [
    ['starcoder', 'refact', 'command-r', 'smollm', 'codeshell', 'exaone', 'minerva-7b', 'mellum2'],
    { patterns: ['\\p{N}', gpt2] },
  ],
  [['falcon'], { patterns: ['[\\p{P}\\$\\+<=>\\^~\\|`]+', gpt2, '[0-9][0-9][0-9]'] }],
  [['deepseek-coder'], { patterns: ['[\\r\\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', '[一-龥ࠀ-一가-퟿]+', '\\p{N}'] }],
  [
    ['deepseek-v3', 'hunyuan-dense', 'joyai-llm', 'hy_v4'],
    { patterns: ['\\p{N}{1,3}', '[一-龥぀-ゟ゠-ヿ]+', deepseek3] },
  ],
  [['poro-chat', 'bloom', 'gpt3-finnish'], { patterns: [scripts] }],
  [['viking'], { patterns: [scripts, '\\p{N}'] }],
  [['tekken'], { patterns: [cased('', '')], ignoreMerges: true, begin: true }],
  [['gpt-4o', 'llama4', 'kanana2', 'talkie', 'minimax-m2'], { patterns: [cased('{1,3}', `${shortened}?`)] }],
  [
    ['seed-coder'],
    {
      patterns: [`${shortened}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|${spaces}`],
    },
  ],
]

/** By the value of `tokenizer.ggml.pre`; '' where the key is absent. */
export const preTokenizers: ReadonlyMap<string, PreTokenizer> = new Map(
  groups.flatMap(([names, how]) => names.map((name): [string, PreTokenizer] => [name, how])),
)

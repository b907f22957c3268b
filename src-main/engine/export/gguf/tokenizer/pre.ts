// Which of llama.cpp's pre-tokenizers cuts text as a byte-level tokenizer.json does. llama.cpp knows them by name only
// (`tokenizer.ggml.pre`) and has their patterns built in (src/llama-vocab.cpp); a name is right when the cutting steps are
// the same. Where several names share their steps, the one whose other habits (spaces cleaned when printing, whole words
// looked up before merging) fit is taken.
import type { JsonMap } from '../../../checkpoint/json.ts'
import { child, textOf, type TokenizerParts } from './document.ts'

/** A pre-tokenizer step in a few words: what it does to the text, without what does not matter. */
function describe(step: JsonMap): string {
  const type = textOf(step.get('type')) ?? ''
  if (type === 'Split') {
    const pattern = step.get('pattern')
    const behavior = textOf(step.get('behavior')) ?? ''
    return `${behavior === 'Removed' && step.get('invert') === true ? 'Isolated' : behavior} ${textOf(child(pattern, 'Regex')) ?? textOf(child(pattern, 'String')) ?? ''}`
  }
  if (type === 'ByteLevel') return step.get('use_regex') === false ? '' : 'words'
  if (type === 'Digits') return step.get('individual_digits') === true ? 'digits' : 'numbers'
  if (type === 'Punctuation') return `punctuation ${textOf(step.get('behavior')) ?? 'Isolated'}`
  return type
}

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
const rest = String.raw` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
const cased = (middle: string) =>
  String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+${middle}|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*${middle}`
const slashed = String.raw` ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`

/** Steps, joined by ' > ', and the name; `whole`: the tokenizer looks words up before it merges (ignore_merges). */
const known: readonly { steps: string; name: string; whole?: boolean }[] = [
  { steps: 'words', name: 'gpt-2' },
  { steps: 'digits > words', name: 'smollm' },
  { steps: String.raw`Isolated ${contractions}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|${rest}`, name: 'llama-bpe', whole: true },
  { steps: String.raw`Isolated ${contractions}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|${rest}`, name: 'smaug-bpe' },
  { steps: String.raw`Isolated ${contractions}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|${rest}`, name: 'qwen2' },
  { steps: String.raw`Isolated ${cased('')}|\p{N}|${slashed}`, name: 'tekken', whole: true },
  { steps: String.raw`Isolated ${cased(`${contractions}?`)}|\p{N}{1,3}|${slashed}`, name: 'gpt-4o' },
  { steps: String.raw`Isolated  ?[^(\s|[.,!?…。，、।۔،])]+`, name: 'bloom' },
  {
    steps: String.raw`Isolated \p{N}{1,3} > Isolated [一-龥぀-ゟ゠-ヿ]+ > Isolated [!"#$%&'()*+,\-./:;<=>?@\[\\\]^_${'`'}{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
    name: 'deepseek-v3',
  },
]

/** The name, or null where llama.cpp has no pre-tokenizer that is known to cut the same. */
export function preTokenizerOf({ preTokenizers, model }: TokenizerParts): string | null {
  const steps = preTokenizers
    .map(describe)
    .filter((step) => step !== '')
    .join(' > ')
  const whole = model.get('ignore_merges') === true
  const fitting = known.filter((each) => each.steps === steps)
  return (fitting.find((each) => (each.whole ?? false) === whole) ?? fitting[0])?.name ?? null
}

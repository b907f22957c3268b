// Which of llama.cpp's pre-tokenizers cuts text as a byte-level tokenizer.json does. llama.cpp knows them by name only
// (`tokenizer.ggml.pre`); a name is right when it stands for the same patterns in the same order
// (checkpoint/gguf/tokenizer/pre-tokenizers.ts has them).
import type { JsonMap } from '../../../checkpoint/json.ts'
import { type PreTokenizer, preTokenizers } from '../../../checkpoint/gguf/tokenizer/pre-tokenizers.ts'
import { child, textOf, type TokenizerParts } from './document.ts'

const gpt2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)`
const insensitive = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
const spelledOut = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"

/** Different spellings of one pattern made equal. What no alternative matches is a piece of its own, so a last \s+ that
 *  takes the rest of the blanks changes nothing. */
const normalized = (pattern: string): string =>
  pattern.replaceAll(insensitive, spelledOut).replace(/\|\\s\+$/, '').replaceAll('{1}', '') // prettier-ignore

/** The pattern of one step; '' where it cuts nothing, null where it is something else. */
function patternOf(step: JsonMap): string | null {
  const type = textOf(step.get('type'))
  if (type === 'ByteLevel') {
    if (step.get('add_prefix_space') === true) return null
    return step.get('use_regex') === false ? '' : gpt2
  }
  if (type === 'Digits') return step.get('individual_digits') === true ? String.raw`\p{N}` : String.raw`\p{N}+`
  if (type !== 'Split') return null
  const behavior = textOf(step.get('behavior'))
  const keepsMatches = behavior === 'Isolated' || (behavior === 'Removed' && step.get('invert') === true)
  const pattern = textOf(child(step.get('pattern'), 'Regex'))
  return keepsMatches && pattern !== null ? normalized(pattern) : null
}

/** Names that stand for themselves where several cut alike: their printing leaves blanks as they are. */
const preferred = new Set(['llama-bpe', 'smollm', 'smaug-bpe', 'deepseek-v3'])

/** The name, or null where llama.cpp has no pre-tokenizer that is known to cut the same. */
export function preTokenizerOf(parts: Pick<TokenizerParts, 'preTokenizers' | 'model'>): string | null {
  const steps = parts.preTokenizers.map(patternOf)
  if (steps.includes(null)) return null
  const wanted = steps.filter((step) => step !== '').join('\n')
  const whole = parts.model.get('ignore_merges') === true
  const same = ({ patterns, ignoreMerges = false }: PreTokenizer) =>
    patterns.map(normalized).join('\n') === wanted && ignoreMerges === whole
  const names = [...preTokenizers].filter(([name, how]) => name !== '' && same(how)).map(([name]) => name)
  return names.find((name) => preferred.has(name)) ?? names[0] ?? null
}

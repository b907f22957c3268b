import { parseJson } from '../../../src-main/engine/checkpoint/json.ts'
import type { FuzzTarget } from '../target.ts'

const texts = [
  '{"model_type":"llama","hidden_size":64,"rope_scaling":{"type":"yarn","factor":2.5},"list":[1,-2,3e4,true,null]}',
  '[{"a":"\\u00e9\\n\\ud83d\\ude00","b":[[],{}]},"\u00e9\u{1f600}",0.5,-1e-7]',
  '"text"',
]

/** What every configuration, index and tokenizer goes through. Where both accept, JSON.parse says the same. */
export const json: FuzzTarget = {
  name: 'json',
  seeds: () => texts.map((text) => new TextEncoder().encode(text)),
  run(bytes) {
    const value = parseJson(bytes, 'fuzz.json')
    const reference: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
    const plain = (each: unknown): unknown => {
      if (Array.isArray(each)) return each.map(plain)
      return each instanceof Map ? [...each].map(([key, inner]) => [key, plain(inner)]) : each
    }
    const listed = (each: unknown): unknown => {
      if (Array.isArray(each)) return each.map(listed)
      return typeof each === 'object' && each !== null
        ? Object.entries(each).map(([key, inner]) => [key, listed(inner)])
        : each
    }
    // Objects sort keys that look like indices and lose "__proto__"; those apart the two must agree.
    const text = JSON.stringify(plain(value))
    const sorted = /\["(\d+|__proto__)",/.test(text)
    if (!sorted && text !== JSON.stringify(listed(reference)))
      throw new Error(`JSON.parse reads another value: ${text}`)
  },
  dictionary: ['{', '}', '[', ']', ',', ':', '"', '\\', 'true', 'null', '"__proto__":1', '\\ud800', '\\u0000', '1e999'],
}

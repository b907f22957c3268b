import { renderTemplate } from '../../../src-main/engine/data/text/chat-render.ts'
import type { FuzzTarget } from '../target.ts'

const templates = [
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] }}{% endfor %}{% if add_generation_prompt %}{{ 'x' }}{% endif %}",
  '{{ bos_token }}{% set ns = namespace(n=0) %}{% for m in messages[1:] %}{% set ns.n = ns.n + 1 %}{{ m.content | trim | upper }}{% endfor %}{{ ns.n }}',
  "{%- macro f(a, b=2) -%}{{ a ~ b }}{%- endmacro -%}{{ f('x') }}{% if messages is defined and messages|length > 1 %}{{ messages | tojson(indent=2) }}{% elif false %}y{% else %}z{% endif %}",
  "{% for i in range(3) %}{{ loop.index }}{% if loop.last %}{% break %}{% endif %}{% endfor %}{{ 'a,b'.split(',') | join('-') | replace('a', 'b') }}{{ [3, 1] | sort | first }}{{ {'a': 1}.items() | list }}",
  "{# note #}{{ 1 if true else 2 }}{{ 7 // 2 }}{{ 'x' in 'xy' }}{{ 'abc'[::-1] }}{% filter upper %}q{% endfilter %}{% call(x) f() %}{% endcall %}",
]
const messages = [
  { role: 'user', content: 'Hello  ' },
  { role: 'assistant', content: 'Hi' },
]

/** A chat template, in this process: what keeps it small must not depend on the process that holds it in the product. */
export const chat: FuzzTarget = {
  name: 'chat',
  seeds: () => templates.map((text) => new TextEncoder().encode(text)),
  run(bytes) {
    const template = new TextDecoder().decode(bytes)
    const text = renderTemplate({
      template,
      messages,
      tokens: { bos_token: '<s>', eos_token: '</s>' },
      file: 'fuzz.jinja',
    })
    if (typeof text !== 'string') throw new Error(`rendered ${typeof text}`)
  },
  dictionary: [
    ...[
      '{{',
      '}}',
      '{%',
      '%}',
      '{%-',
      '-%}',
      '{#',
      '#}',
      'for',
      'in',
      'endfor',
      'if',
      'endif',
      'else',
      'elif',
      'set',
      'macro',
      'endmacro',
      'call',
    ],
    ...[
      'filter',
      'break',
      'continue',
      'namespace',
      'range(1000000000)',
      'range(99999)',
      'messages',
      '.items()',
      '.__class__',
      '.constructor',
      '|length',
    ],
    ...[
      '|tojson',
      '|tojson(indent=99999999)',
      '|indent(99999999)',
      "|replace('', 'xxxxxxxxxxxxxxxx')",
      '|join',
      '|sort',
      '|reverse',
      '|unique',
      '|map',
      '|select',
    ],
    ...[
      '**',
      '~',
      '//',
      '[::-1]',
      '[1:]',
      'not',
      'and',
      'is',
      'defined',
      'none',
      'true',
      '1e308',
      '99999999999999999999',
      '"',
      "'",
      '\\',
      'loop.index',
      'strftime_now("%Y")',
    ],
    ...[
      'raise_exception("x")',
      '{% for i in range(99999) %}',
      '{% endfor %}',
      '{% if true %}',
      '{% endif %}',
      '{% set ns.x = ns.x ~ ns.x %}',
    ],
  ],
}

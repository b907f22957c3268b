// Chat templates that never end or grow (GG21): rendered when asked for, never on opening.
import { file, type Make } from './make.ts'

const template = (text: string | (() => string)): Make => file('chat_template.jinja', text)
const nested = (times: number) => `${'{% if true %}'.repeat(times)}x${'{% endif %}'.repeat(times)}`

export const chatCases: Record<string, Make> = {
  'GG21-good': template('{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}'),
  'GG21-range': template('{% for i in range(1000000000) %}x{% endfor %}'),
  'GG21-loops': template('{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}'),
  'GG21-nested': template(() => nested(10_000)),
  'GG21-doubling': template(
    '{% set n = namespace(x="ab") %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}',
  ),
  'GG21-replace': template(
    '{% set n = namespace(x="a") %}{% for i in range(19) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x | replace("a", n.x) | length }}',
  ),
  'GG21-refusal': template('{{ raise_exception("only one turn") }}'),
  'GG21-not-jinja': template('{% for %}'),
  'GG21-reach-out': template('{{ messages.constructor.constructor("return process")() }}'),
}

// Chat templates: what good ones give, and that bad ones end at once (HOSTILE.md GG21).
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { renderChat } from '../../../src-main/engine/data/text/chat.ts'
import { renderTemplate } from '../../../src-main/engine/data/text/chat-render.ts'
import { openTokenizer } from '../../../src-main/engine/data/text/tokenizer.ts'
import { chat } from '../../../src-main/engine/tasks/chat.ts'

const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hello' },
]
const tokens = { bos_token: '<s>', eos_token: '</s>' }
const file = 'tokenizer_config.json'
const render = (template: string) => renderTemplate({ template, messages, tokens, file })

const chatMl = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`
const llama2 = `{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}{% set rest = messages[1:] %}{% else %}{% set system = false %}{% set rest = messages %}{% endif %}{% for m in rest %}{% if m.role != 'user' and m.role != 'assistant' %}{{ raise_exception('roles must alternate') }}{% endif %}[INST] {% if loop.index0 == 0 and system %}<<SYS>>{{ system | trim }}<</SYS>> {% endif %}{{ m.content | trim }} [/INST]{% endfor %}`

test('templates as published models have them', () => {
  expect(render(chatMl)).toBe(
    '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n',
  )
  expect(render(llama2)).toBe('<s>[INST] <<SYS>>Be brief.<</SYS>> Hello [/INST]')
  expect(render(`{{ strftime_now('%Y') }}`)).toBe(String(new Date().getFullYear()))
  expect(render('{% for i in range(3) %}{{ i }}{% endfor %}{{ range(5, 1, -2) | join(",") }}')).toBe('0125,3')
})

const hostile: [name: string, template: string, code: string, words: RegExp][] = [
  [
    'range of a thousand million',
    '{% for i in range(1000000000) %}x{% endfor %}',
    'too-large',
    /asks for a range of 1000000000/,
  ],
  [
    'loops in loops',
    '{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}',
    'too-large',
    /takes (more than 500000 steps|longer than 200 ms)/,
  ],
  [
    'ten thousand nested ifs',
    '{% if true %}'.repeat(10_000) + 'x' + '{% endif %}'.repeat(10_000),
    'too-large',
    /nested too deeply|takes longer/,
  ],
  ['ten thousand brackets', `{{ ${'('.repeat(10_000)}1${')'.repeat(10_000)} }}`, 'too-large', /nested too deeply/],
  [
    'a text that doubles',
    `{% set ns = namespace(x='abcdefgh') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}`,
    'too-large',
    /makes a text of 2097152 characters/,
  ],
  [
    'a list that doubles',
    `{% set ns = namespace(x=[1, 2]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}`,
    'too-large',
    /makes a list of/,
  ],
  ['a macro that calls itself', '{% macro f(g) %}{{ g(g) }}{% endmacro %}{{ f(f) }}', 'too-large', /nested too deeply/],
  ['a refusal', `{{ raise_exception('no system message') }}`, 'bad-input', /fails: no system message/],
  ['no Jinja', '{% if %}', 'bad-input', /the chat template fails/],
  [
    'an unknown function',
    '{{ open("/etc/passwd") }}',
    'bad-input',
    /fails: Cannot call something that is not a function/,
  ],
  [
    'a way out',
    `{{ messages.__class__.__mro__ }}{{ messages.constructor.constructor('return process')().exit() }}`,
    'bad-input',
    /the chat template fails/,
  ],
  ['a large file', 'x'.repeat((1 << 20) + 1), 'too-large', /has 1048577 characters/],
]

describe('bad templates end soon with a fault', () => {
  test.for(hostile)('%s', ([, template, code, words]) => {
    const began = performance.now()
    let fault: unknown
    try {
      render(template)
    } catch (error) {
      fault = error
    }
    expect(performance.now() - began).toBeLessThan(1000)
    expect(fault).toBeInstanceOf(Fault)
    expect(fault).toMatchObject({ code, message: expect.stringMatching(words), data: { file, field: 'chat_template' } })
  })
})

describe('in a process of its own', () => {
  test('a good template', () => {
    expect(renderChat(llama2, messages, tokens, file)).toBe('<s>[INST] <<SYS>>Be brief.<</SYS>> Hello [/INST]')
  })

  test('a fault comes back as it is', () => {
    expect(() => renderChat(hostile[0]?.[1] ?? '', messages, tokens, file)).toThrow(/asks for a range of 1000000000/)
  })

  test('a template that fills the memory ends only its own process', () => {
    // Every "a" of a text becomes the text: no single value is too large before this one.
    const template = `{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(16) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x | replace('a', ns.x) | length }}`
    expect(() => renderChat(template, messages, tokens, file)).toThrow(/the chat template/)
  })
})

describe('the task', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lathe-chat-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  for (const name of ['config.json', 'tokenizer.json', 'model.safetensors'])
    cpSync(resolve('resources/samples/language', name), join(folder, name))

  test('gives the text and its tokens', () => {
    const settings = {
      chat_template: `{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}`,
      bos_token: { content: '<s>' },
    }
    writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(settings))
    const { text, tokens: count } = chat({ checkpoint: folder, messages })
    expect(text).toBe('<s>Be brief.Hello')
    expect(count).toBe(openTokenizer(join(folder, 'tokenizer.json')).encode(text, 'it').length)
  })

  test('opening never renders', () => {
    writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify({ chat_template: hostile[1]?.[1] }))
    const network = openNetwork(folder)
    expect(network.chatTemplate).toBe(hostile[1]?.[1])
    network.source.close()
    expect(() => chat({ checkpoint: folder, messages })).toThrow(/the chat template takes/)
  })

  test('without a template there is nothing to render', () => {
    rmSync(join(folder, 'tokenizer_config.json'))
    expect(() => chat({ checkpoint: folder, messages })).toThrow('the checkpoint has no chat template')
  })
})

// A chat template is a program that a stranger wrote (Jinja). It sees the conversation and nothing else, and has a
// bounded number of steps, bounded texts and lists, and a fifth of a second.
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { withinTime, wasTooSlow } from './limit.ts'

export interface ChatMessage {
  role: string
  content: string
}

export interface ChatOrder {
  template: string
  messages: readonly ChatMessage[]
  /** Texts that templates use by name: bos_token, eos_token ... */
  tokens: Readonly<Record<string, string>>
  file: string // where the template is from, for messages
}

const most = { steps: 500_000, text: 1 << 20, list: 100_000, templateLength: 1 << 20, ms: 200 }

/** The limit that was passed; told from the template's own errors. */
class PastLimit extends Error {}

// The library's own types do not resolve under Node's rules for modules; this is what is used of it.
interface Scope {
  set(name: string, value: unknown): unknown
}
interface Evaluator {
  evaluate(statement: unknown, scope: Scope): { value: unknown }
  run(program: unknown): { value: unknown }
}
const LibraryInterpreter = Interpreter as new (scope: Scope) => Evaluator
const LibraryScope = Environment as new () => Scope

class BoundedInterpreter extends LibraryInterpreter {
  private steps = 0

  override evaluate(statement: unknown, environment: Scope): { value: unknown } {
    if (++this.steps > most.steps) throw new PastLimit(`takes more than ${most.steps} steps`)
    const result = super.evaluate(statement, environment)
    const { value } = result
    if (typeof value === 'string' && value.length > most.text)
      throw new PastLimit(`makes a text of ${value.length} characters, at most ${most.text} are made`)
    if (Array.isArray(value) && value.length > most.list)
      throw new PastLimit(`makes a list of ${value.length} items, at most ${most.list} are made`)
    return result
  }
}

/** range(), before it can fill the memory. */
function range(start: number, stop?: number, step = 1): number[] {
  const [from, to] = stop === undefined ? [0, start] : [start, stop]
  const count = Math.ceil((to - from) / step)
  if (step === 0 || !Number.isFinite(count)) throw new Error('range() of no length')
  if (count > most.list) throw new PastLimit(`asks for a range of ${count} numbers, at most ${most.list} are made`)
  return Array.from({ length: Math.max(0, count) }, (_, index) => from + index * step)
}

const months = 'January February March April May June July August September October November December'.split(' ')
const days = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ')
const two = (value: number) => String(value).padStart(2, '0')

/** Today, as some templates write it. */
function strftime(format: string): string {
  const now = new Date()
  const parts: Record<string, string> = {
    Y: String(now.getFullYear()),
    y: two(now.getFullYear() % 100),
    m: two(now.getMonth() + 1),
    d: two(now.getDate()),
    H: two(now.getHours()),
    M: two(now.getMinutes()),
    S: two(now.getSeconds()),
    B: months[now.getMonth()] ?? '',
    b: (months[now.getMonth()] ?? '').slice(0, 3),
    A: days[now.getDay()] ?? '',
    a: (days[now.getDay()] ?? '').slice(0, 3),
    '%': '%',
  }
  return String(format).replace(/%([a-zA-Z%])/g, (whole, letter: string) => parts[letter] ?? whole)
}

function environmentOf({ messages, tokens }: ChatOrder): Scope {
  const environment = new LibraryScope()
  const constants = { true: true, True: true, false: false, False: false, none: null, None: null }
  const functions = {
    range,
    strftime_now: strftime,
    raise_exception: (words: unknown) => {
      throw new Error(String(words))
    },
  }
  for (const [name, value] of Object.entries({ ...constants, ...functions, ...tokens })) environment.set(name, value)
  environment.set(
    'messages',
    messages.map(({ role, content }) => ({ role, content })),
  )
  environment.set('add_generation_prompt', true)
  return environment
}

/**
 * The conversation as the template writes it, ready for the answer. To be run where a stranger's program may use up its
 * memory (chat.ts does that). Faults 'bad-input' where the template is wrong or refuses these messages, 'too-large' where
 * it goes beyond its limits.
 */
export function renderTemplate(order: ChatOrder): string {
  const { template, file } = order
  const fault = (code: 'bad-input' | 'too-large', what: string, cause?: unknown) =>
    new Fault(code, `${file}: the chat template ${what}`, {
      hint: 'Use the template that came with the original checkpoint.',
      data: { file, field: 'chat_template' },
      cause,
    })
  if (template.length > most.templateLength)
    throw fault('too-large', `has ${template.length} characters, at most ${most.templateLength} are read`)
  try {
    const text = withinTime(most.ms, () => {
      const program = parse(tokenize(template, { lstrip_blocks: true, trim_blocks: true }))
      return new BoundedInterpreter(environmentOf(order)).run(program).value
    })
    return String(text)
  } catch (error) {
    if (error instanceof PastLimit) throw fault('too-large', error.message)
    if (wasTooSlow(error)) throw fault('too-large', `takes longer than ${most.ms} ms`)
    if (error instanceof RangeError)
      throw fault('too-large', `is nested too deeply or makes too much (${error.message})`)
    throw fault('bad-input', `fails: ${error instanceof Error ? error.message.slice(0, 400) : String(error)}`, error)
  }
}

// Chat templates are rendered in a process of their own with little memory: a template can ask for more than any check of
// ours foresees, and then only that process ends. Never rendered on opening; only when somebody asks.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { ChatReply } from './chat-child.ts'
import type { ChatMessage, ChatOrder } from './chat-render.ts'

export type { ChatMessage } from './chat-render.ts'

const memoryMegabytes = 128
const startAndRenderMs = 10_000 // starting a process on a busy machine; rendering itself has a fifth of a second
const mostReplyBytes = 16 << 20

/** The argument with which the engine's own entry renders a template instead (main.ts), for the bundle. */
export const chatArgument = 'render-chat'

/** From source the child's own file; from the bundle, which has one entry, that entry. */
const childArguments = (): string[] =>
  import.meta.filename.endsWith('.ts')
    ? [join(import.meta.dirname, 'chat-child.ts')]
    : [process.argv[1] ?? '', chatArgument]

/**
 * The conversation as a checkpoint's template writes it, ready for the answer. `tokens`: texts that templates use by name
 * (bos_token ...). Faults 'bad-input' where the template is wrong or refuses these messages, 'too-large' where it goes
 * beyond its limits.
 */
export function renderChat(
  template: string,
  messages: readonly ChatMessage[],
  tokens: Readonly<Record<string, string>>,
  file: string,
): string {
  const order: ChatOrder = { template, messages, tokens, file }
  const { stdout, error, signal, status } = spawnSync(
    process.execPath,
    [`--max-old-space-size=${memoryMegabytes}`, ...childArguments()],
    {
      input: JSON.stringify(order),
      timeout: startAndRenderMs,
      killSignal: 'SIGKILL',
      maxBuffer: mostReplyBytes,
      encoding: 'utf8',
      windowsHide: true,
    },
  )
  const reply = stdout ? (JSON.parse(stdout) as ChatReply) : null
  if (reply && 'text' in reply) return reply.text
  if (reply) throw Fault.from(reply.fault)
  const how = error?.message ?? (signal ? `it was ended by ${signal}` : `it ended with ${status}`)
  throw new Fault(
    'too-large',
    `${file}: the chat template could not be rendered within ${memoryMegabytes} MB (${how})`,
    {
      hint: 'Use the template that came with the original checkpoint.',
      data: { file, field: 'chat_template' },
    },
  )
}

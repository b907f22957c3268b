// One chat template rendered in a process of its own (chat.ts starts it): order in, reply out, as JSON.
import { readFileSync } from 'node:fs'
import { type FaultShape, toFault } from '../../../../src-preload/contract/fault.ts'
import { type ChatOrder, renderTemplate } from './chat-render.ts'

export type ChatReply = { text: string } | { fault: FaultShape }

const attempt = (order: ChatOrder): ChatReply => {
  try {
    return { text: renderTemplate(order) }
  } catch (error) {
    return { fault: toFault(error).toShape() }
  }
}

process.stdout.write(JSON.stringify(attempt(JSON.parse(readFileSync(0, 'utf8')) as ChatOrder)))

import type { Transport } from '../../src-preload/contract/client.ts'
import type { Reply } from '../../src-preload/contract/reply.ts'

export type Connection =
  { state: 'connecting' } | { state: 'open' } | { state: 'lost'; attempt: number; retryMs: number }

/** The part of WebSocket that is used; tests hand in a double. */
export interface Socket {
  send(text: string): void
  close(): void
  onopen: (() => void) | null
  onclose: (() => void) | null
  onmessage: ((event: { data: unknown }) => void) | null
}

export interface SocketOptions {
  open(): Socket
  /** Calls `then` after `ms` milliseconds; returns the cancel. */
  wait(ms: number, then: () => void): () => void
  onState(connection: Connection): void
}

export interface SocketTransport extends Transport {
  /** Try again now instead of after the pause. */
  retry(): void
  close(): void
}

type Message = { id: number; reply: Reply } | { event: string; snapshot: unknown }

const firstPauseMs = 250
const longestPauseMs = 5000

const lost: Reply = {
  ok: false,
  fault: {
    code: 'engine',
    message: 'The connection to Lathe was lost before it answered.',
    hint: 'Lathe reconnects by itself. Jobs go on meanwhile; repeat the step once the connection is back.',
  },
}

function parse(data: unknown): Message | null {
  if (typeof data !== 'string') return null
  try {
    const message: unknown = JSON.parse(data)
    if (typeof message !== 'object' || message === null) return null
    return 'id' in message || 'event' in message ? (message as Message) : null
  } catch {
    return null
  }
}

/**
 * The contract over one WebSocket that reopens itself. Calls made while it is down wait for it; calls that were under way
 * when it broke are answered with a fault, because nobody knows whether they took effect.
 */
export function createSocketTransport(options: SocketOptions): SocketTransport {
  const listeners = new Map<string, Set<(snapshot: unknown) => void>>()
  const sent = new Map<number, (reply: Reply) => void>()
  let waiting: { text: string; id: number; answer: (reply: Reply) => void }[] = []
  let socket: Socket | null = null
  let isOpen = false
  let isClosed = false
  let attempt = 0
  let lastId = 0
  let cancelWait: (() => void) | null = null

  function receive(data: unknown): void {
    const message = parse(data)
    if (!message) return
    if ('event' in message) {
      for (const listener of listeners.get(message.event) ?? []) listener(message.snapshot)
      return
    }
    const answer = sent.get(message.id)
    sent.delete(message.id)
    answer?.(message.reply)
  }

  function opened(): void {
    isOpen = true
    attempt = 0
    const calls = waiting
    waiting = []
    for (const call of calls) {
      sent.set(call.id, call.answer)
      socket?.send(call.text)
    }
    options.onState({ state: 'open' })
  }

  function broken(): void {
    isOpen = false
    socket = null
    const calls = [...sent.values()]
    sent.clear()
    for (const answer of calls) answer(lost)
    if (isClosed) return
    const retryMs = Math.min(longestPauseMs, firstPauseMs * 2 ** attempt)
    attempt += 1
    options.onState({ state: 'lost', attempt, retryMs })
    cancelWait = options.wait(retryMs, connect)
  }

  function connect(): void {
    cancelWait = null
    const next = options.open()
    socket = next
    next.onopen = () => next === socket && opened()
    next.onclose = () => next === socket && broken()
    next.onmessage = (event) => next === socket && receive(event.data)
  }

  options.onState({ state: 'connecting' })
  connect()

  return {
    invoke(channel, args) {
      const id = ++lastId
      const text = JSON.stringify({ id, channel, args })
      return new Promise((answer) => {
        if (isOpen && socket) {
          sent.set(id, answer)
          socket.send(text)
        } else waiting.push({ text, id, answer })
      })
    },
    subscribe(event, listener) {
      const all = listeners.get(event) ?? new Set()
      listeners.set(event, all.add(listener))
      return () => void all.delete(listener)
    },
    retry() {
      if (!cancelWait) return
      cancelWait()
      connect()
    },
    close() {
      isClosed = true
      cancelWait?.()
      socket?.close()
    },
  }
}

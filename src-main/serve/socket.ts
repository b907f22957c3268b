import type { RawData, WebSocket } from 'ws'
import { z } from 'zod'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Reply } from '../../src-preload/contract/reply.ts'
import type { Caller, Dispatch } from '../../src-preload/contract/server.ts'

/** What a door needs of the application; `App` of app/create.ts fits it. */
export interface ServedApp {
  dispatch: Dispatch
  /** Returns the unsubscribe. */
  onEvent(listener: (event: string, snapshot: unknown) => void): () => void
}

const callSchema = z.object({
  id: z.union([z.number().int(), z.string().min(1).max(64)]),
  channel: z.string().max(64),
  args: z.unknown(),
})

/** Calls of one window that may be under way, answer not yet taken; beyond it the socket is not read. */
const callsLimit = 32
const heartbeatMs = 30_000
const closeUnsupported = 1003
const closePolicy = 1008

const caller: Caller = { door: 'web', trusted: true }

function parseCall(data: RawData): z.infer<typeof callSchema> | null {
  try {
    const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer)
    return callSchema.parse(JSON.parse(bytes.toString('utf8')))
  } catch {
    return null
  }
}

/**
 * Events as whole snapshots: while one is on its way, only the newest of its name waits, so a window that reads slowly
 * skips snapshots instead of filling our memory.
 */
function createEventSender(send: (text: string, sent: () => void) => void) {
  const waiting = new Map<string, unknown>()
  const busy = new Set<string>()
  const next = (event: string): void => {
    if (!waiting.has(event)) return void busy.delete(event)
    const snapshot = waiting.get(event)
    waiting.delete(event)
    busy.add(event)
    send(JSON.stringify({ event, snapshot }), () => next(event))
  }
  return (event: string, snapshot: unknown): void => {
    waiting.set(event, snapshot)
    if (!busy.has(event)) next(event)
  }
}

/**
 * Speaks with one window: `{id, channel, args}` in, `{id, reply}` out, `{event, snapshot}` unasked.
 * Whoever gets here was let in by the guard and has the cookie.
 */
export function serveSocket(socket: WebSocket, app: ServedApp): void {
  const open = (): boolean => socket.readyState === socket.OPEN
  const send = (text: string, sent: () => void): void => {
    if (open()) socket.send(text, () => sent())
  }
  let calls = 0
  let answered = true // to the last heartbeat

  const answer = (id: number | string, reply: Reply): void =>
    send(JSON.stringify({ id, reply }), () => {
      calls--
      if (socket.isPaused && calls < callsLimit && open()) socket.resume()
    })

  socket.on('message', (data, isBinary) => {
    if (isBinary) return socket.close(closeUnsupported, 'text only')
    const call = parseCall(data)
    if (!call) return socket.close(closePolicy, 'not a call')
    calls++
    if (calls >= callsLimit) socket.pause()
    app.dispatch(call.channel, call.args, caller).then(
      (reply) => answer(call.id, reply),
      (error: unknown) => answer(call.id, { ok: false, fault: new Fault('internal', String(error)).toShape() }),
    )
  })
  socket.on('pong', () => {
    answered = true
  })
  socket.on('error', () => socket.terminate()) // a frame beyond the cap, a broken frame, a lost line

  const unsubscribe = app.onEvent(createEventSender(send))
  const heartbeat = setInterval(() => {
    if (!answered && !socket.isPaused) return socket.terminate()
    answered = false
    socket.ping()
  }, heartbeatMs)
  heartbeat.unref()
  socket.on('close', () => {
    clearInterval(heartbeat)
    unsubscribe()
  })
}

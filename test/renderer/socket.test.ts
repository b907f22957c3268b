import { expect, test } from 'vitest'
import { type Connection, createSocketTransport, type Socket } from '../../src-renderer/api/socket.ts'

class FakeSocket implements Socket {
  sent: { id: number; channel: string; args: unknown }[] = []
  onopen: (() => void) | null = null
  onclose: (() => void) | null = null
  onmessage: ((event: { data: unknown }) => void) | null = null
  send(text: string): void {
    this.sent.push(JSON.parse(text))
  }
  close(): void {
    this.onclose?.()
  }
  hear(message: unknown): void {
    this.onmessage?.({ data: typeof message === 'string' ? message : JSON.stringify(message) })
  }
}

function house() {
  const sockets: FakeSocket[] = []
  const states: Connection[] = []
  const waits: { ms: number; then: () => void; isOff: boolean }[] = []
  const transport = createSocketTransport({
    open() {
      const socket = new FakeSocket()
      sockets.push(socket)
      return socket
    },
    wait(ms, then) {
      const wait = { ms, then, isOff: false }
      waits.push(wait)
      return () => void (wait.isOff = true)
    },
    onState: (state) => states.push(state),
  })
  const at = (i: number): FakeSocket => {
    const socket = sockets[i]
    if (!socket) throw new Error(`no socket ${i}`)
    return socket
  }
  return { transport, sockets, states, waits, at }
}

test('calls before the wire is up wait for it, and answers find their question', async () => {
  const { transport, at } = house()
  const first = transport.invoke('app.info', {})
  const second = transport.invoke('job.list', {})
  expect(at(0).sent).toEqual([])
  at(0).onopen?.()
  expect(at(0).sent.map(({ channel }) => channel)).toEqual(['app.info', 'job.list'])
  at(0).hear({ id: at(0).sent[1]?.id, reply: { ok: true, result: 'two' } })
  at(0).hear({ id: at(0).sent[0]?.id, reply: { ok: true, result: 'one' } })
  expect(await first).toEqual({ ok: true, result: 'one' })
  expect(await second).toEqual({ ok: true, result: 'two' })
})

test('a break answers what was under way with a fault, and reconnects with growing pauses', async () => {
  const { transport, at, states, waits, sockets } = house()
  at(0).onopen?.()
  const call = transport.invoke('plan.solve', {})
  at(0).close()
  expect(await call).toMatchObject({ ok: false, fault: { code: 'engine' } })
  expect(states.at(-1)).toEqual({ state: 'lost', attempt: 1, retryMs: 250 })
  const later = transport.invoke('job.list', {})
  for (let i = 1; i < 8; i++) {
    waits.at(-1)?.then()
    at(i).close()
  }
  expect(waits.map(({ ms }) => ms)).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000, 5000])
  transport.retry()
  expect(waits.at(-1)?.isOff).toBe(true)
  const last = sockets.length - 1
  at(last).onopen?.()
  expect(states.at(-1)).toEqual({ state: 'open' })
  expect(at(last).sent.map(({ channel }) => channel)).toEqual(['job.list'])
  at(last).hear({ id: at(last).sent[0]?.id, reply: { ok: true, result: [] } })
  expect(await later).toEqual({ ok: true, result: [] })
})

test('events reach those who listen, over every socket, until they stop', () => {
  const { transport, at, waits } = house()
  const heard: unknown[] = []
  const stop = transport.subscribe('jobs', (snapshot) => heard.push(snapshot))
  at(0).onopen?.()
  at(0).hear({ event: 'jobs', snapshot: [1] })
  at(0).close()
  waits[0]?.then()
  at(1).onopen?.()
  at(1).hear({ event: 'project', snapshot: 'other' })
  at(1).hear({ event: 'jobs', snapshot: [2] })
  stop()
  at(1).hear({ event: 'jobs', snapshot: [3] })
  expect(heard).toEqual([[1], [2]])
})

test('an old socket, nonsense and strangers’ ids are ignored', () => {
  const { transport, at, waits } = house()
  const heard: unknown[] = []
  transport.subscribe('jobs', (snapshot) => heard.push(snapshot))
  at(0).onopen?.()
  at(0).hear('not json')
  at(0).hear('null')
  at(0).hear({ id: 99, reply: { ok: true, result: 1 } })
  at(0).close()
  waits[0]?.then()
  at(0).hear({ event: 'jobs', snapshot: ['ghost'] })
  expect(heard).toEqual([])
})

test('closed on purpose, it stays closed', () => {
  const { transport, at, waits, sockets } = house()
  at(0).onopen?.()
  transport.close()
  expect(waits).toEqual([])
  expect(sockets.length).toBe(1)
})

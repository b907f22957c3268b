import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { type WebSocket } from 'ws'
import { ask, closed, type House, nextMessage, openHouse, openWindow } from './house.ts'

let house: House
afterEach(() => house.close())

const call = (socket: WebSocket, id: number, channel: string, args: unknown = {}): void =>
  socket.send(JSON.stringify({ id, channel, args }))

test('a call is answered under its id, by a trusted web caller', async () => {
  house = await openHouse((channel, args) => ({ channel, args }))
  const window = await openWindow(house.server.port, await house.enter())
  call(window, 7, 'files.list', { folder: null })
  expect(await nextMessage(window)).toEqual({
    id: 7,
    reply: { ok: true, result: { channel: 'files.list', args: { folder: null } } },
  })
  expect(house.calls[0]?.caller).toEqual({ door: 'web', trusted: true })
  window.terminate()
})

test('events go to every window until it closes', async () => {
  house = await openHouse()
  const cookie = await house.enter()
  const windows = [await openWindow(house.server.port, cookie), await openWindow(house.server.port, cookie)]
  const seen = windows.map(nextMessage)
  house.emit('jobs', [])
  expect(await Promise.all(seen)).toEqual([
    { event: 'jobs', snapshot: [] },
    { event: 'jobs', snapshot: [] },
  ])
  const ends = windows.map(closed)
  for (const window of windows) window.close()
  await Promise.all(ends)
  await expect.poll(() => house.listeners()).toBe(0)
})

test('a slow window gets the newest snapshot, not all of them', async () => {
  house = await openHouse()
  const window = await openWindow(house.server.port, await house.enter())
  const received: number[] = []
  window.on('message', (data) => received.push((JSON.parse(String(data)) as { snapshot: { at: number } }).snapshot.at))
  window.pause()
  const ballast = 'x'.repeat(2 ** 20)
  for (let at = 0; at < 200; at++) house.emit('project', { at, ballast })
  window.resume()
  await expect.poll(() => received.at(-1), { timeout: 20_000 }).toBe(199)
  expect(received.length).toBeLessThan(20)
  window.terminate()
})

test('what is no call closes the socket, an oversized frame too', async () => {
  house = await openHouse()
  const cookie = await house.enter()
  const sendBad = async (message: string | Buffer): Promise<number> => {
    const window = await openWindow(house.server.port, cookie)
    window.on('error', () => undefined) // the server resets the line of a frame that is too large
    const end = closed(window)
    window.send(message)
    return end
  }
  expect(await sendBad('not json')).toBe(1008)
  expect(await sendBad('{"channel":"app.info"}')).toBe(1008)
  expect(await sendBad('[1]')).toBe(1008)
  expect(await sendBad(Buffer.from('{"id":1,"channel":"app.info"}'))).toBe(1003)
  expect([1006, 1009]).toContain(await sendBad('x'.repeat(100_000_000)))
  expect(house.calls).toEqual([])
})

test('unanswered calls are bounded: the rest waits in the socket', async () => {
  let release = (): void => undefined
  const gate = new Promise<void>((resolve) => (release = resolve))
  house = await openHouse(() => gate)
  const window = await openWindow(house.server.port, await house.enter())
  const ids: number[] = []
  window.on('message', (data) => ids.push((JSON.parse(String(data)) as { id: number }).id))
  const ballast = 'x'.repeat(256 * 1024) // so that the calls do not all lie in one network read
  for (let id = 0; id < 100; id++) call(window, id, 'app.info', { ballast })
  await expect.poll(() => house.calls.length).toBeGreaterThanOrEqual(32)
  await ask(house.server.port, '')
  expect(house.calls.length).toBeLessThan(40)
  release()
  await expect.poll(() => ids.length, { timeout: 20_000 }).toBe(100)
  window.terminate()
})

test('a thousand idle sockets do not keep the person waiting', async () => {
  house = await openHouse()
  const cookie = await house.enter()
  const window = await openWindow(house.server.port, cookie)
  const idle: Socket[] = []
  for (let batch = 0; batch < 10; batch++) {
    const sockets = Array.from({ length: 100 }, () => connect(house.server.port, '127.0.0.1').resume())
    for (const socket of sockets) socket.on('error', () => undefined)
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    idle.push(...sockets)
  }
  await expect.poll(() => idle.filter((socket) => socket.readableEnded).length).toBe(1000 - 128)
  const times: number[] = []
  for (let id = 0; id < 100; id++) {
    const begin = performance.now()
    const answer = nextMessage(window)
    call(window, id, 'app.info')
    await answer
    const { status } = await ask(house.server.port, '', { headers: { Cookie: cookie } })
    expect(status).toBe(200)
    times.push(performance.now() - begin)
  }
  times.sort((a, b) => a - b)
  expect(times[98]).toBeLessThan(200)
  for (const socket of idle) socket.destroy()
  window.terminate()
})

test('closing the server closes its windows and its port', async () => {
  house = await openHouse()
  const window = await openWindow(house.server.port, await house.enter())
  const end = closed(window)
  const { port } = house.server
  await house.server.close()
  expect([1001, 1006]).toContain(await end)
  await expect(ask(port, '')).rejects.toThrow('ECONNREFUSED')
})

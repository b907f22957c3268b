import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request, type IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import type { Caller } from '../../src-preload/contract/server.ts'
import { type RunningServer, startServer } from '../../src-main/serve/serve.ts'
import type { ServedApp } from '../../src-main/serve/socket.ts'

export interface House {
  server: RunningServer
  folder: string
  calls: { channel: unknown; args: unknown; caller: Caller }[]
  /** Cookie of a redeemed link. */
  enter(): Promise<string>
  emit(event: string, snapshot: unknown): void
  listeners(): number
  close(): Promise<void>
}

type Answer = (channel: unknown, args: unknown) => unknown

/** A served window of three files in front of an app that records its calls. */
export async function openHouse(answer: Answer = (channel) => channel): Promise<House> {
  const folder = mkdtempSync(join(tmpdir(), 'lathe-serve-'))
  mkdirSync(join(folder, 'out', 'assets'), { recursive: true })
  writeFileSync(join(folder, 'out', 'index.html'), '<!doctype html><title>window</title>')
  writeFileSync(join(folder, 'out', 'assets', 'index-B1_x-9.js'), 'export {}')
  writeFileSync(join(folder, 'out', '.secret.html'), 'hidden')
  writeFileSync(join(folder, 'out', 'notes.key'), 'not a window file')
  writeFileSync(join(folder, 'outside.html'), 'outside')
  const calls: House['calls'] = []
  const listeners = new Set<(event: string, snapshot: unknown) => void>()
  const app: ServedApp = {
    async dispatch(channel, args, caller) {
      calls.push({ channel, args, caller })
      return { ok: true, result: await answer(channel, args) }
    },
    onEvent(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
  const server = await startServer({ app, rendererFolder: join(folder, 'out') })
  return {
    server,
    folder,
    calls,
    listeners: () => listeners.size,
    emit: (event, snapshot) => listeners.forEach((listener) => listener(event, snapshot)),
    async enter() {
      const response = await ask(server.port, new URL(server.link()).search, { path: '/' })
      const [cookie] = response.headers['set-cookie'] ?? []
      if (!cookie) throw new Error(`no cookie in a ${response.status} answer`)
      return cookie.split(';')[0] ?? ''
    },
    async close() {
      await server.close()
      rmSync(folder, { recursive: true })
    },
  }
}

export interface Answered {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

interface Asked {
  path?: string
  method?: string
  headers?: Record<string, string | string[]>
  body?: string
  address?: string
}

/** One request by Node's own client, headers exactly as given; `search` is appended to the path. */
export function ask(port: number, search: string, asked: Asked = {}): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const { path = '/', method = 'GET', headers = {}, body, address = '127.0.0.1' } = asked
    const host = { Host: `127.0.0.1:${port}` }
    const outgoing = request({
      host: address,
      port,
      path: path + search,
      method,
      headers: { ...host, ...headers },
      agent: false,
    })
    outgoing.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }))
      response.on('error', reject)
    })
    outgoing.on('upgrade', (response, socket) => {
      socket.destroy()
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: '' })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** Headers that make a request a WebSocket upgrade. */
export const upgradeHeaders = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
}

export function openWindow(port: number, cookie: string): Promise<WebSocket> {
  const origin = `http://127.0.0.1:${port}`
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, { headers: { Cookie: cookie, Origin: origin } })
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket))
    socket.once('error', reject)
  })
}

/** The next message of a socket, parsed. */
export const nextMessage = (socket: WebSocket): Promise<unknown> =>
  new Promise((resolve) => socket.once('message', (data) => resolve(JSON.parse(String(data)))))

/** Close code of a socket. */
export const closed = (socket: WebSocket): Promise<number> => new Promise((resolve) => socket.once('close', resolve))

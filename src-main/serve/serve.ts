import { existsSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { type WebSocket, WebSocketServer } from 'ws'
import { Fault } from '../../src-preload/contract/fault.ts'
import { openBrowser } from './browser.ts'
import { examine, ownHosts, type Refusal } from './guard.ts'
import { createKeys, type Keys } from './keys.ts'
import { pageHeaders, strangerPage } from './pages.ts'
import { createSiteApp } from './site-app.ts'
import { serveSocket, type ServedApp } from './socket.ts'
import { boundStrangers, type Strangers } from './strangers.ts'

/** Largest message a window may send; a recipe of 5,000 layers takes about 1 MiB. */
export const messageLimitBytes = 8 * 2 ** 20
const strangersLimit = 128
const windowsLimit = 32
const socketPath = '/ws'

export interface ServerOptions {
  app: ServedApp
  /** 0 or none: any free port. */
  port?: number
  /** The built window, out/renderer. */
  rendererFolder: string
  /** Also open the person's browser; `opened` says whether one was found. */
  open?: boolean
}

export interface RunningServer {
  /** Holds the one-time token: for the person's eyes, never for a log. */
  url: string
  port: number
  opened: boolean
  /** A fresh one-time link, for another browser or where the first was lost. */
  link(): string
  close(): Promise<void>
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host, exclusive: true, ipv6Only: host === '::1' }, () => {
      server.off('error', reject)
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : port)
    })
  })
}

function refuse(response: ServerResponse, refusal: Refusal): void {
  response.writeHead(refusal.status, { ...pageHeaders, Connection: 'close' })
  response.end(strangerPage, () => response.socket?.destroy()) // whatever body still comes is not read
}

function refuseUpgrade(socket: Duplex, status: number, reason: string): void {
  socket.on('error', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status} ${reason}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy())
}

interface House {
  app: ServedApp
  keys: Keys
  hosts: ReadonlySet<string>
  site: (request: IncomingMessage, response: ServerResponse) => Promise<void>
  windows: WebSocketServer
}

/** Puts guard, site and sockets onto one listener; IPv4 and IPv6 get the same. */
function furnish(server: Server, strangers: Strangers, house: House): void {
  const { app, keys, hosts, site, windows } = house
  server.on('request', (request, response) => {
    const refusal = examine(request, hosts, false)
    if (refusal) return refuse(response, refusal)
    if (keys.knows(request.headers.cookie)) strangers.admit(request.socket)
    void site(request, response)
  })
  server.on('upgrade', (request, socket, head) => {
    const refusal = examine(request, hosts, true)
    if (refusal) return refuseUpgrade(socket, refusal.status, 'Refused')
    if (!keys.knows(request.headers.cookie)) return refuseUpgrade(socket, 403, 'Forbidden')
    if (request.url !== socketPath) return refuseUpgrade(socket, 404, 'Not Found')
    if (windows.clients.size >= windowsLimit) return refuseUpgrade(socket, 503, 'Too many windows')
    strangers.admit(request.socket)
    windows.handleUpgrade(request, socket, head, (window: WebSocket) => serveSocket(window, app))
  })
  server.on('clientError', (_error, socket) => {
    if (socket.writable) refuseUpgrade(socket, 400, 'Bad Request')
    else socket.destroy()
  })
}

const create = (): Server =>
  createServer({
    maxHeaderSize: 16 * 1024,
    headersTimeout: 10_000, // also ends connections that never say anything
    requestTimeout: 10_000,
    keepAliveTimeout: 5_000,
    connectionsCheckingInterval: 2_000,
  })

const shut = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    if (!server.listening) return resolve()
    server.close(() => resolve())
    server.closeAllConnections()
  })

/** Starts the local web shell on the loopback addresses only. Throws Fault 'not-found' (no built window), 'conflict' (port taken). */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { app, rendererFolder } = options
  if (!existsSync(join(rendererFolder, 'index.html')))
    throw new Fault('not-found', `The window has not been built: ${rendererFolder} holds no index.html.`, {
      hint: 'Run `npm run build` first.',
      data: { file: join(rendererFolder, 'index.html') },
    })

  const ipv4 = create()
  const ipv4Strangers = boundStrangers(ipv4, strangersLimit)
  const port = await listen(ipv4, options.port ?? 0, '127.0.0.1').catch((error: NodeJS.ErrnoException) => {
    throw new Fault(
      'conflict',
      `Port ${options.port ?? 0} on 127.0.0.1 cannot be used: ${error.code ?? error.message}.`,
      {
        hint: 'Choose another --port, or leave it out for any free one.',
        cause: error,
      },
    )
  })
  const ipv6 = create()
  const ipv6Strangers = boundStrangers(ipv6, strangersLimit)
  const hasIpv6 = await listen(ipv6, port, '::1').then(
    () => true,
    () => false, // no IPv6 here, or the port is another's: 127.0.0.1 suffices
  )

  const keys = createKeys(port)
  const house: House = {
    app,
    keys,
    hosts: ownHosts(port, ['127.0.0.1', 'localhost', ...(hasIpv6 ? ['[::1]'] : [])]),
    site: getRequestListener(createSiteApp(keys, rendererFolder).fetch),
    windows: new WebSocketServer({ noServer: true, maxPayload: messageLimitBytes, perMessageDeflate: false }),
  }
  furnish(ipv4, ipv4Strangers, house)
  furnish(ipv6, ipv6Strangers, house)

  const link = (): string => `http://127.0.0.1:${port}/?token=${keys.mint()}`
  const url = link()
  return {
    url,
    port,
    opened: options.open === true && openBrowser(url),
    link,
    async close() {
      for (const window of house.windows.clients) window.close(1001, 'Lathe ends')
      await Promise.all([shut(ipv4), shut(ipv6)])
      for (const window of house.windows.clients) window.terminate()
      house.windows.close()
    },
  }
}

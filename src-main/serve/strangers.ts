import type { Server } from 'node:http'
import type { Socket } from 'node:net'

export interface Strangers {
  /** This connection has shown the cookie; it no longer counts. */
  admit(socket: Socket): void
}

/**
 * Bounds connections that have not shown the cookie: beyond the limit the oldest goes, never the newest, so a crowd of
 * idle sockets cannot shut the person out.
 */
export function boundStrangers(server: Server, limit: number): Strangers {
  const strangers = new Set<Socket>()
  server.on('connection', (socket) => {
    strangers.add(socket)
    socket.once('close', () => strangers.delete(socket))
    if (strangers.size <= limit) return
    const [oldest] = strangers // a Set keeps the order of insertion
    oldest?.destroy()
    if (oldest) strangers.delete(oldest)
  })
  return { admit: (socket) => void strangers.delete(socket) }
}

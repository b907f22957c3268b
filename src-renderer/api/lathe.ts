import { inject, type InjectionKey, type ShallowRef, shallowRef } from 'vue'
import { type Client, createClient, type Transport } from '../../src-preload/contract/client.ts'
import type { Bridge } from './bridge.ts'
import { type Connection, createSocketTransport, type Socket } from './socket.ts'

/** The way out of the window: typed calls, the state of the wire, and dropped files where the door can name them. */
export interface Lathe {
  client: Client
  connection: ShallowRef<Connection>
  retry(): void
  pathOf: ((file: File) => string) | null
}

const key: InjectionKey<Lathe> = Symbol('lathe')
export { key as latheKey }

export function useLathe(): Lathe {
  const lathe = inject(key)
  if (!lathe) throw new Error('This component was mounted without a way to Lathe.')
  return lathe
}

/** Lathe over a transport that is always there (the preload bridge). */
export function overBridge(bridge: Transport & Partial<Pick<Bridge, 'pathOf'>>): Lathe {
  const { pathOf } = bridge
  return {
    client: createClient(bridge),
    connection: shallowRef<Connection>({ state: 'open' }),
    retry: () => {},
    pathOf: pathOf ? (file) => pathOf(file) : null,
  }
}

/** Lathe over the WebSocket of the page's own host. */
export function overSocket(location: Pick<Location, 'protocol' | 'host'>): Lathe {
  const connection = shallowRef<Connection>({ state: 'connecting' })
  const address = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`
  const transport = createSocketTransport({
    open: () => new WebSocket(address) as Socket,
    wait(ms, then) {
      const timer = setTimeout(then, ms)
      return () => clearTimeout(timer)
    },
    onState: (state) => {
      connection.value = state
    },
  })
  return { client: createClient(transport), connection, retry: () => transport.retry(), pathOf: null }
}

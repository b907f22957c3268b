import { type Arguments, type ChannelName, type EventName, type Result, type Snapshot } from './channels.ts'
import { Fault } from './fault.ts'
import type { Reply } from './reply.ts'

/** What a door offers to the side that calls: the preload bridge, a WebSocket, or a direct call. */
export interface Transport {
  invoke(channel: string, args: unknown): Promise<Reply>
  /** Returns the unsubscribe. */
  subscribe(event: string, listener: (snapshot: unknown) => void): () => void
}

export interface Client {
  call<N extends ChannelName>(channel: N, args: Arguments<N>): Promise<Result<N>>
  on<E extends EventName>(event: E, listener: (snapshot: Snapshot<E>) => void): () => void
}

/** Typed calls over any transport; a refused call throws its Fault. */
export function createClient(transport: Transport): Client {
  return {
    async call(channel, args) {
      const reply = await transport.invoke(channel, args)
      if (!reply.ok) throw Fault.from(reply.fault)
      return reply.result as Result<typeof channel>
    },
    on: (event, listener) => transport.subscribe(event, (snapshot) => listener(snapshot as Snapshot<typeof event>)),
  }
}

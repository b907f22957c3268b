import { z } from 'zod'
import { channels, type ChannelName, type ParsedArguments, type Result } from './channels.ts'
import { Fault, toFault } from './fault.ts'
import type { Reply } from './reply.ts'

/** Who calls. `trusted` is decided by the door alone: sender frame, cookie and origin, or the person's own shell. */
export interface Caller {
  door: 'electron' | 'web' | 'cli'
  trusted: boolean
}

export type Handlers = {
  [N in ChannelName]: (args: ParsedArguments<N>, caller: Caller) => Promise<Result<N>> | Result<N>
}

export type Dispatch = (channel: unknown, args: unknown, caller: Caller) => Promise<Reply>

const refuse = (fault: Fault): Reply => ({ ok: false, fault: fault.toShape() })

/** The one place where arguments are parsed and faults become replies; all three doors go through it. */
export function createDispatch(handlers: Handlers): Dispatch {
  return async (name, args, caller) => {
    try {
      if (!caller.trusted) return refuse(new Fault('forbidden', 'This caller may not use Lathe.'))
      if (typeof name !== 'string' || !Object.hasOwn(channels, name))
        return refuse(new Fault('bad-arguments', `There is no channel ${JSON.stringify(name)}.`))
      const channel = name as ChannelName
      const parsed = channels[channel].args.safeParse(args ?? {})
      if (!parsed.success)
        return refuse(
          new Fault('bad-arguments', `${channel}: ${z.prettifyError(parsed.error)}`, { data: { field: channel } }),
        )
      const handler = handlers[channel] as (args: unknown, caller: Caller) => unknown
      return { ok: true, result: await handler(parsed.data, caller) }
    } catch (error) {
      return refuse(toFault(error))
    }
  }
}

import type { Handlers } from '../../src-preload/contract/server.ts'
import { type AppContext, ask } from './context.ts'

export const deviceHandlers = (context: AppContext): Pick<Handlers, 'device.list'> => ({
  'device.list': (args) => ask(context, 'devices', args),
})

import { resolve } from 'node:path'
import type { CheckpointSummary } from '../../src-preload/contract/model.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import { type AppContext, ask } from './context.ts'

/** Opened in the engine: whatever the file does, the window lives. */
export const inspectCheckpoint = (context: AppContext, path: string): Promise<CheckpointSummary> =>
  ask(context, 'inspect', { path: resolve(path) })

export const checkpointHandlers = (
  context: AppContext,
): Pick<Handlers, 'checkpoint.inspect' | 'checkpoint.histogram' | 'checkpoint.documents' | 'checkpoint.chat'> => ({
  'checkpoint.inspect': ({ path }) => inspectCheckpoint(context, path),
  'checkpoint.histogram': ({ path, layer, bins }) => ask(context, 'histogram', { path: resolve(path), layer, bins }),
  'checkpoint.chat': ({ path, messages }) => ask(context, 'chat', { checkpoint: resolve(path), messages }),
  'checkpoint.documents': ({ path }) => ask(context, 'documents', { path: resolve(path) }),
})

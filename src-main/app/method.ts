import type { Handlers } from '../../src-preload/contract/server.ts'
import type { TaskResult } from '../engine/protocol.ts'
import { compressorOf, levers } from '../engine/quantize/compressors.ts'
import { quantizers } from '../engine/quantize/registry.ts'
import { type AppContext, ask } from './context.ts'

const known = new WeakMap<AppContext, Promise<TaskResult<'methods'>>>()

/** Every method the engine knows; asked once. */
export function methodsOf(context: AppContext): Promise<TaskResult<'methods'>> {
  const found = known.get(context)
  if (found) return found
  const asked = ask(context, 'methods', {})
  known.set(context, asked)
  asked.catch(() => known.delete(context))
  return asked
}

/** Version of what compresses a layer, 0 for one this Lathe does not know. The lists are plain data: read here. */
export const versionOfQuantizer = (id: string): number => compressorOf(id)?.version ?? 0

/** All quantizers with their versions, as one key: what was computed with other ones is computed again. */
export const quantizerVersions = (): string => quantizers.map(({ id, version }) => `${id}@${version}`).join(' ')

export const leverVersions = (): string => levers.map(({ id, version }) => `${id}@${version}`).join(' ')

export const methodHandlers = (context: AppContext): Pick<Handlers, 'method.list'> => ({
  'method.list': async () => (await methodsOf(context)).methods,
})

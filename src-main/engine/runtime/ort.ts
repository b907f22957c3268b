// The one door to ONNX Runtime, opened when first used: the main process knows every method's list, and runs none. The
// package's own log goes to standard error and would mix with ours, so it is set to fatal before the native environment
// starts; everything it has to say arrives as an exception.
import { createRequire } from 'node:module'
import type * as Runtime from 'onnxruntime-node'

export type { InferenceSession, Tensor } from 'onnxruntime-node'

const packages = createRequire(import.meta.url)
let loaded: typeof Runtime | null = null

export function runtime(): typeof Runtime {
  if (loaded) return loaded
  loaded = packages('onnxruntime-node') as typeof Runtime
  loaded.env.logLevel = 'fatal'
  return loaded
}

export const runtimeVersion = (): string => runtime().env.versions.node ?? 'unknown'

/** Where the package lies, for child processes that load it by themselves. */
export const runtimePackage = (): string => packages.resolve('onnxruntime-node')

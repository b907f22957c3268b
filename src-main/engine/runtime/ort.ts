// The one door to ONNX Runtime. Its own log goes to standard error and would mix with ours, so it is set to fatal before
// the native environment starts; everything it has to say arrives as an exception.
import { createRequire } from 'node:module'
import { env } from 'onnxruntime-node'

env.logLevel = 'fatal'

export { InferenceSession, Tensor, listSupportedBackends } from 'onnxruntime-node'

/** Where the package lies, for child processes that load it by themselves. */
export const runtimePackage = (): string => createRequire(import.meta.url).resolve('onnxruntime-node')

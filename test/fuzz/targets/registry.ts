import type { FuzzTarget } from '../target.ts'
import { planted } from './planted.ts'

/** Every parser under attack. Loaded when asked for, so that one broken file does not stop the others. */
export const targets: ReadonlyMap<string, () => Promise<FuzzTarget>> = new Map([
  ['safetensors', async () => (await import('./safetensors.ts')).safetensors],
  ['json', async () => (await import('./json.ts')).json],
  ['gguf', async () => (await import('./gguf.ts')).gguf],
  ['onnx', async () => (await import('./onnx.ts')).onnx],
  ['packed', async () => (await import('./packed.ts')).packed],
  ['pickle', async () => (await import('./pickle.ts')).pickles],
  ['zip', async () => (await import('./zip.ts')).zips],
  ['pytorch', async () => (await import('./pytorch.ts')).pytorch],
  ['tokenizer', async () => (await import('./tokenizer.ts')).tokenizer],
  ['piece-model', async () => (await import('./piece-model.ts')).pieceModel],
  ['chat', async () => (await import('./chat.ts')).chat],
])

export async function loadTarget(name: string): Promise<FuzzTarget> {
  const own = planted.get(name)
  if (own) return own
  const load = targets.get(name)
  if (!load) throw new Error(`no fuzz target ${name}; there are ${[...targets.keys()].join(', ')}`)
  return load()
}

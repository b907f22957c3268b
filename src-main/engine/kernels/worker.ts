// Thread of the kernel pool. build/kernels.ts puts it, as JavaScript, beside the compiled kernels.
import { parentPort, workerData } from 'node:worker_threads'
import { Arena } from './arena.ts'
import { runChunks, type Task } from './chunks.ts'

const modules = workerData as Record<string, WebAssembly.Module>
const arenas = new Map<string, Arena<unknown>>()

function open(name: string): Arena<unknown> {
  const known = arenas.get(name)
  if (known !== undefined) return known
  const module = modules[name]
  if (module === undefined) throw new Error(`thread without kernel ${name}`)
  const arena = new Arena<unknown>(module)
  arenas.set(name, arena)
  return arena
}

parentPort?.on('message', (task: Task) => runChunks(open, task))

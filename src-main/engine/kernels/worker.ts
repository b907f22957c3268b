// Thread of the kernel pool. build/kernels.ts puts it, as JavaScript, beside the compiled kernels.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
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

// Finished tasks are small to V8 and name hundreds of megabytes of shared memory, which stays while they do: this thread
// allocates next to nothing else, so nothing would make it look for them.
const mostNamed = 2 ** 28 // bytes
let named = 0
let collect: (() => void) | null = null

function forget(task: Task): void {
  for (const value of Object.values(task.rows)) if (ArrayBuffer.isView(value)) named += value.buffer.byteLength
  if (named < mostNamed) return
  named = 0
  if (collect === null) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as typeof collect
  }
  collect?.()
}

parentPort?.on('message', (task: Task) => {
  runChunks(open, task)
  forget(task)
})

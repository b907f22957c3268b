// Thread of the kernel pool. build/kernels.ts puts it, as JavaScript, beside the compiled kernels.
import { parentPort, workerData } from 'node:worker_threads'
import { Arena } from './arena.ts'
import { runChunks, type Task } from './chunks.ts'
import type { QuantizeExports } from './search.ts'

const kernel = new Arena<QuantizeExports>((workerData as { module: WebAssembly.Module }).module)
parentPort?.on('message', (task: Task) => runChunks(kernel, task))

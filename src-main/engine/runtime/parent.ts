// A process whose thread may be held for minutes (a session opens and runs synchronously) ends with the one that started it:
// a thread of its own looks. Killing that one is how jobs are cancelled, and what it started must not go on by itself.
import { Worker } from 'node:worker_threads'

const everyMs = 100

const watch = `
  const { parentPort, workerData } = require('node:worker_threads')
  const gone = () => {
    if (process.ppid !== workerData) return true
    try { process.kill(workerData, 0); return false } catch (error) { return error.code === 'ESRCH' }
  }
  const look = () => { if (gone()) process.kill(process.pid, 'SIGKILL') }
  look()
  setInterval(look, ${everyMs})
  parentPort.postMessage('watching')
`

/** Kills this process within a tenth of a second of the end of `parent`, the process that started it, even one that has ended
 *  already. Resolves when it watches. */
export const endWithParent = (parent: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(watch, { eval: true, stdout: false, workerData: parent })
    worker.once('error', reject)
    worker.once('message', () => {
      worker.unref() // only now: whoever waits for this would wait for nothing else
      resolve()
    })
  })

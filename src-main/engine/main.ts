// The engine process: started by src-main/jobs with child_process.fork, one task at a time, messages over the fork's own
// channel. Standard output is never protocol. It ends by itself when the process that started it is gone.
import { toFault } from '../../src-preload/contract/fault.ts'
import { chatArgument } from './data/text/chat.ts'
import { endWithParent } from './runtime/parent.ts'
import { runningArgument } from './runtime/running.ts'
import type { FromEngine, TaskContext, TaskName, TaskProgress, Tasks, ToEngine } from './protocol.ts'
import { tasks } from './tasks/registry.ts'

const progressEveryMs = 50

const send = (message: FromEngine): void => {
  if (process.connected) process.send?.(message)
}

let current: number | null = null // id of the running task
let tail: Promise<void> = Promise.resolve()

const contextOf = (id: number): TaskContext => {
  let sentAt = -Infinity
  return {
    progress: (update: TaskProgress) => {
      const now = performance.now()
      if (now - sentAt < progressEveryMs && update.fraction < 1 && update.row === undefined) return
      sentAt = now
      send({ type: 'progress', id, update })
    },
    notify: (notice) => send({ type: 'notice', id, notice }),
  }
}

async function perform<N extends TaskName>(id: number, name: N, args: Tasks[N]['args']): Promise<void> {
  current = id
  try {
    if (!Object.hasOwn(tasks, name)) throw new Error(`The engine has no task ${JSON.stringify(name)}.`)
    const task = await tasks[name]()
    send({ type: 'done', id, result: await task(args, contextOf(id)) })
  } catch (error) {
    send({ type: 'failed', id, fault: toFault(error).toShape() })
  } finally {
    current = null
  }
}

const failCurrent = (error: unknown): void => {
  const fault = toFault(error)
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  if (current !== null) send({ type: 'failed', id: current, fault: fault.toShape() })
  // State may be half changed: a fresh process is cheaper than doubt. The message leaves before the channel closes.
  if (process.connected) process.disconnect()
  else process.exit(1)
}

if (process.argv[2] === chatArgument) {
  await import('./data/text/chat-child.ts')
} else if (process.argv[2] === runningArgument) {
  await import('./runtime/running-child.ts')
} else if (process.send === undefined) {
  process.stderr.write('The engine is started by Lathe itself, not by hand.\n')
  process.exitCode = 2
} else {
  process.on('uncaughtException', failCurrent)
  process.on('unhandledRejection', failCurrent)
  process.on('disconnect', () => process.exit(0))
  process.on('message', (message: ToEngine) => {
    if (message?.type !== 'task') return
    tail = tail.then(() => perform(message.id, message.name, message.args as never))
  })
  // 'disconnect' alone would come too late: a task may hold this thread for minutes.
  void endWithParent(process.ppid)
  send({ type: 'ready', pid: process.pid })
}

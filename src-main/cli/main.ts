import { enableCompileCache } from 'node:module'
import { CommanderError } from 'commander'
import { Fault, type FaultShape, toFault } from '../../src-preload/contract/fault.ts'
import { explain } from './fault-words.ts'

enableCompileCache()
const { buildProgram } = await import('./program.ts')

/** 0 done, 1 failed, 2 bad usage, 130 cancelled. */
const exitCode = (fault: FaultShape): number =>
  fault.code === 'cancelled' ? 130 : fault.code === 'bad-arguments' ? 2 : 1

/** With --json a failure is the one document on standard output. */
const document = (fault: FaultShape): void => {
  if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify({ fault }, null, 2)}\n`)
}

// Whoever reads the output may have seen enough (`lathe inspect … | head`): what is left unread is no failure.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })

try {
  await buildProgram().parseAsync(process.argv)
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2 // commander has already said it
    if (error.exitCode !== 0)
      document(new Fault('bad-arguments', error.message.replace(/^error: /, ''), { hint: 'lathe --help' }).toShape())
  } else {
    const fault = toFault(error)
    const shape = fault.toShape()
    document(shape)
    process.stderr.write(`${explain(shape)}\n`)
    if (fault.code === 'internal' && fault.cause instanceof Error) process.stderr.write(`${fault.cause.stack ?? ''}\n`)
    process.exitCode = exitCode(shape)
  }
}

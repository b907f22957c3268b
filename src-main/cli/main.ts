import { enableCompileCache } from 'node:module'
import { CommanderError } from 'commander'
import { type FaultShape, toFault } from '../../src-preload/contract/fault.ts'

enableCompileCache()
const { buildProgram } = await import('./program.ts')

/** 0 done, 1 failed, 2 bad usage, 130 cancelled. */
const exitCode = (fault: FaultShape): number =>
  fault.code === 'cancelled' ? 130 : fault.code === 'bad-arguments' ? 2 : 1

function explain(fault: FaultShape): string {
  const where = Object.entries(fault.data ?? {})
    .filter(([, value]) => value !== undefined && value !== null && !fault.message.includes(String(value)))
    .map(([key, value]) => `  ${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return [`lathe: ${fault.message}`, ...where, ...(fault.hint ? [`  hint: ${fault.hint}`] : [])].join('\n')
}

try {
  await buildProgram().parseAsync(process.argv)
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2 // commander has already said it
  } else {
    const fault = toFault(error)
    const shape = fault.toShape()
    if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify({ fault: shape }, null, 2)}\n`)
    process.stderr.write(`${explain(shape)}\n`)
    if (fault.code === 'internal' && fault.cause instanceof Error) process.stderr.write(`${fault.cause.stack ?? ''}\n`)
    process.exitCode = exitCode(shape)
  }
}

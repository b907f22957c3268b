import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** Who a process is, so that a number used again after a reboot is not taken for it. */
export interface ProcessIdentity {
  pid: number
  started: string // '' where this system does not tell
  machine: string // machine, boot and process namespace: pids compare only within one
}

const readText = (path: string): string => {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}

/** Start time in clock ticks since boot: field 22 of /proc/<pid>/stat, counted after the parenthesised name. */
const startedAt = (pid: number): string => {
  const stat = readText(`/proc/${pid}/stat`)
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

const machineText = (): string => {
  let namespace = ''
  try {
    namespace = readlinkSync('/proc/self/ns/pid')
  } catch {
    // not Linux: the host's name must do
  }
  return [hostname(), readText('/proc/sys/kernel/random/boot_id'), namespace].join(' ').trim()
}

export const thisProcess = (): ProcessIdentity => ({
  pid: process.pid,
  started: startedAt(process.pid),
  machine: machineText(),
})

/** 'unknown': another machine or namespace, or a system that does not tell when a process began. */
export function lifeOf(other: ProcessIdentity, self: ProcessIdentity = thisProcess()): 'alive' | 'dead' | 'unknown' {
  if (other.machine !== self.machine) return 'unknown'
  try {
    process.kill(other.pid, 0)
  } catch (error) {
    // EPERM: there is such a process, of another user
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return 'dead'
  }
  const started = startedAt(other.pid)
  if (started === '' || other.started === '') return 'unknown'
  return started === other.started ? 'alive' : 'dead'
}

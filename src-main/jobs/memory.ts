import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'

const readText = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Bytes this machine, or the container around us, lets us use. */
export const memoryLimitBytes = (): number => {
  const constrained = process.constrainedMemory()
  return constrained > 0 && constrained < totalmem() ? constrained : totalmem()
}

/** Resident bytes of a process that only it can give back (not file pages); null where the system does not tell. */
export function residentBytes(pid: number): number | null {
  const status = readText(`/proc/${pid}/status`)
  const kilobytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0)
  return status === '' ? null : (kilobytes('RssAnon') + kilobytes('RssShmem')) * 1024
}

/** How many processes the kernel has killed for want of memory, here and in our control group. */
export function outOfMemoryKills(): number {
  const groups = readText('/proc/self/cgroup')
    .split('\n')
    .filter((line) => line.includes(':memory:') || line.startsWith('0::'))
    .map((line) => line.split(':')[2] ?? '')
  const files = [
    '/proc/vmstat',
    '/sys/fs/cgroup/memory.events',
    '/sys/fs/cgroup/memory/memory.oom_control',
    ...groups.flatMap((group) => [
      `/sys/fs/cgroup${group}/memory.events`,
      `/sys/fs/cgroup/memory${group}/memory.oom_control`,
    ]),
  ]
  const counts = files.map((file) => Number(/^oom_kill (\d+)$/m.exec(readText(file))?.[1] ?? 0))
  return counts.reduce((sum, count) => sum + count, 0)
}

export const inGigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`

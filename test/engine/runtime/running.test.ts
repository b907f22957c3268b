import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { onTestFinished, test } from 'vitest'
import { residualNetwork } from '../score/network.ts'

/** Parent and hundredths of a second of work so far, as Linux tells them; undefined of a process that has ended. */
function statOf(pid: number): { parent: number; work: number } | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
    return { parent: Number(fields[1]), work: Number(fields[11]) + Number(fields[12]) }
  } catch {
    return undefined
  }
}

const childOf = (parent: number): number | undefined =>
  readdirSync('/proc')
    .map(Number)
    .find((pid) => pid > 0 && statOf(pid)?.parent === parent)

async function until<T>(look: () => T | undefined, seconds: number): Promise<T> {
  for (const end = performance.now() + 1000 * seconds; ; await setTimeout(20)) {
    const found = look()
    if (found !== undefined) return found
    if (performance.now() > end) throw new Error(`not within ${seconds} s`)
  }
}

test.skipIf(!existsSync('/proc/self/stat'))(
  'a file that is run ends at once with the engine that was killed, in the middle of its runs',
  async () => {
    const script = join(import.meta.dirname, 'running-parent.ts')
    const engine = spawn(process.execPath, [script, residualNetwork().path], { stdio: 'ignore' })
    const run = await until(() => childOf(engine.pid ?? -1), 15)
    onTestFinished(() => void (statOf(run) && process.kill(run, 'SIGKILL')))
    // Well inside its runs: starting takes half as much.
    await until(() => ((statOf(run)?.work ?? 0) > 100 ? true : undefined), 15)
    engine.kill('SIGKILL')
    await until(() => (statOf(run) === undefined ? true : undefined), 2)
  },
  40_000,
)

// Kill -9 at random moments of a job (compress, evaluate, export the vision sample), then compare with a job left in peace:
//   node test/bench/kill.ts [engine kills = 20] [main kills = 10] [seed = 1]
// Every attempt must end with the same sha256 of the export, the same artifacts and the same metrics. Linux only.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { freshHome, type Outcome, work } from '../app/fixtures/kill.ts'

const [engineKills = 20, mainKills = 10, seed = 1] = process.argv.slice(2).map(Number)

/** mulberry32: small, seeded, good enough to choose moments. */
let state = seed >>> 0
const random = (): number => {
  state = (state + 0x6d2b79f5) >>> 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

const inFreshHome = async <T>(action: (home: string, target: string) => Promise<T>): Promise<T> => {
  const home = freshHome()
  try {
    return await action(home, join(home, 'model.onnx'))
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}
const isSame = (a: Outcome | null, b: Outcome | null): boolean =>
  a !== null && b !== null && isDeepStrictEqual([a.sha256, a.artifacts, a.metrics], [b.sha256, b.artifacts, b.metrics])

const reference = await inFreshHome((home, target) => work(home, target))
process.stdout.write(`undisturbed: ${reference.seconds.toFixed(1)} s, sha256 ${reference.outcome?.sha256}\n`)

// A job may turn out quicker than the first one: a kill that comes too late does not count, and moments follow the quickest.
let quickestMs = reference.seconds * 1_000
let failures = 0
const report = (what: string, afterMs: number, outcome: Outcome | null, more: string): void => {
  const same = isSame(outcome, reference.outcome)
  if (!same) failures += 1
  process.stdout.write(`${what} at ${Math.round(afterMs)} ms: ${same ? 'same' : 'DIFFERENT'} (${more})\n`)
}

for (let hits = 0; hits < engineKills;) {
  const afterMs = random() * quickestMs
  const { outcome, killed, seconds } = await inFreshHome((home, target) =>
    work(home, target, { afterMs, victim: 'engine' }),
  )
  if (killed.length === 0) quickestMs = Math.min(quickestMs, seconds * 1_000)
  else {
    hits += 1
    const notices = outcome?.notices.length ?? 0
    report(`engine ${hits}`, afterMs, outcome, `${killed.length} processes killed, ${notices} notices`)
  }
}
for (let hits = 0; hits < mainKills;) {
  const afterMs = random() * quickestMs
  await inFreshHome(async (home, target) => {
    const first = await work(home, target, { afterMs, victim: 'main' })
    if (first.outcome) {
      quickestMs = Math.min(quickestMs, first.seconds * 1_000)
      return
    }
    hits += 1
    const { outcome } = await work(home, target)
    report(`main ${hits}`, afterMs, outcome, `${outcome?.resumed ?? 0} jobs resumed`)
  })
}
process.stdout.write(failures === 0 ? 'all the same\n' : `${failures} different\n`)
process.exitCode = failures === 0 ? 0 : 1

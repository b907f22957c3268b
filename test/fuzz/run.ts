// npm run fuzz -- [target ...] [--runs 1000000] [--seed 1] [--file mutant.bin]
// Without a target: all of them, one after another. A find is printed with its seed and saved in test-results/fuzz; with
// --file one saved mutant is run again.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { guardedFuzz } from './guard.ts'
import { attempt, type Find, type FuzzReport } from './loop.ts'
import { loadTarget, targets } from './targets/registry.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    file: { type: 'string' },
  },
})
const runs = Number(values.runs)
const seed = Number(values.seed)
const say = (line: string) => void process.stdout.write(`${line}\n`)

function save({ target, seed: from, run, what, mutant }: Find): void {
  const folder = join('test-results', 'fuzz')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${target}-${from}-${run}.bin`)
  writeFileSync(path, mutant)
  say(`${target}: FIND at run ${run} of seed ${from}: ${what}`)
  say(`  ${mutant.length} bytes: ${Buffer.from(mutant.subarray(0, 160)).toString('hex')}`)
  say(`  again: npm run fuzz -- ${target} --file ${path}`)
}

const describe = (report: FuzzReport) =>
  `${report.target}: ${report.runs} runs in ${(report.elapsedMs / 1000).toFixed(1)} s, ` +
  `${report.faults} faults, ${report.outcomes} outcomes, median ${report.medianMs.toFixed(3)} ms, ` +
  `p99.9 ${report.p999Ms.toFixed(2)} ms, longest ${report.longestMs.toFixed(0)} ms, ` +
  `growth at most ${(report.growthBytes / 2 ** 20).toFixed(1)} MB, ${report.finds.length} finds`

async function fuzzOne(name: string): Promise<boolean> {
  const onRun = (run: number) =>
    void (process.stdout.isTTY && process.stdout.write(`\r${name}: ${run} of ${runs} runs `))
  const result = await guardedFuzz(name, { runs, seed, onRun })
  if (process.stdout.isTTY) process.stdout.write('\r\u001b[K')
  const finds = 'mutant' in result ? [result] : result.finds
  if (!('mutant' in result)) say(describe(result))
  for (const find of finds) save(find)
  return finds.length === 0
}

const names = positionals.length > 0 ? positionals : [...targets.keys()]
if (values.file) {
  const outcome = attempt(await loadTarget(names[0] ?? ''), readFileSync(values.file))
  say(`${outcome.defect ?? outcome.kind} (${outcome.ms.toFixed(1)} ms)`)
  if (outcome.defect) process.exitCode = 1
} else for (const name of names) if (!(await fuzzOne(name))) process.exitCode = 1

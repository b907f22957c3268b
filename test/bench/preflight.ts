// How far off the first estimate of a job is: in a fresh project, against the seconds the job then took.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openWork, withSession } from '../../src-main/cli/session.ts'
import { dataPath, hasData } from '../helpers/data.ts'

const models: [name: string, model: string, data: string][] = [
  ['stories260K', dataPath('stories260K'), dataPath('stories260K')],
  ['resnet32', dataPath('cifar10', 'resnet32.onnx'), dataPath('cifar10')],
]

export async function benchPreflight(): Promise<void> {
  if (!hasData) return
  for (const [name, model, data] of models) {
    const home = mkdtempSync(join(tmpdir(), 'lathe-preflight-'))
    try {
      await withSession({ home, quiet: true }, async (session) => {
        const { client } = session
        const { folder: project } = await openWork(session, model, { home, quiet: true }, data)
        const { recipe } = await client.call('plan.solve', { project, budget: { bits: 4 }, uniform: false })
        const job = { kind: 'run' as const, recipes: [recipe], evaluate: true }
        const { time, memory } = await client.call('plan.preflight', { project, job })
        const began = performance.now()
        await session.finish(await client.call('run.start', { project, recipe, evaluate: true }))
        const seconds = (performance.now() - began) / 1000
        const { evaluations } = await client.call('project.get', { project })
        const peak = Math.max(0, ...evaluations.map((one) => ('peakBytes' in one ? Number(one.peakBytes) : 0)))
        const range = `${time.lowSeconds.toFixed(1)} to ${time.highSeconds.toFixed(1)}`
        process.stdout.write(
          `${name}: foretold ${time.seconds.toFixed(1)} s (${range}; ${time.from}), took ${seconds.toFixed(1)} s: ` +
            `x ${(time.seconds / seconds).toFixed(2)}; memory foretold ${(memory.peakBytes / 1e6).toFixed(0)} MB, ` +
            `judging took ${(peak / 1e6).toFixed(0)} MB beyond the programs\n`,
        )
      })
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  }
}

if (process.argv[1] === import.meta.filename) await benchPreflight()

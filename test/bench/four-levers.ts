// All levers together against each alone and against one width for all, measured at equal bytes:
//   node test/bench/four-levers.ts MODEL DATA [--bits 2.5,3,3.5,4.5] [--levers wanda,svd,remove-blocks] [--format onnx]
//     [--pairs] [--every] [--samples n] [--ways 'bits alone,uniform']
// Every plan is run and evaluated; KL divergence to the original on the evaluation part.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { withSession } from '../../src-main/cli/session.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Lever } from '../../src-preload/contract/results.ts'
import { machine } from './measure.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    bits: { type: 'string', default: '2.5,3,3.5,4.5' },
    levers: { type: 'string', default: 'wanda,svd,remove-blocks' },
    quantizer: { type: 'string' },
    format: { type: 'string' },
    pairs: { type: 'boolean', default: false },
    every: { type: 'boolean', default: false },
    samples: { type: 'string' },
    ways: { type: 'string' },
  },
})
const [model = '', data = ''] = positionals
const home = mkdtempSync(join(tmpdir(), 'lathe-levers-'))
const ways: { name: string; only: Lever[] | null; uniform: boolean }[] = [
  { name: 'all levers', only: null, uniform: false },
  { name: 'bits alone', only: ['bits'], uniform: false },
  { name: 'uniform', only: ['bits'], uniform: true },
  { name: 'pruning alone', only: ['sparsity'], uniform: false },
  { name: 'low rank alone', only: ['rank'], uniform: false },
  { name: 'depth and bits', only: ['bits', 'depth'], uniform: false },
]

try {
  console.log(machine(), model)
  await withSession({ home, quiet: true }, async (session) => {
    const { client, finish } = session
    const { folder: project } = await client.call('project.create', { checkpoint: resolve(model), data: resolve(data) })
    if (values.format !== undefined) await client.call('project.setFormat', { project, format: values.format })
    const levers = values.levers.split(',').map((method) => ({ method, parameters: {} }))
    const quantizer = values.quantizer === undefined ? null : { method: values.quantizer, parameters: {} }
    await client.call('project.setMethods', { project, methods: { quantizer, prepare: [], samples: null, levers } })
    const samples = values.samples === undefined ? {} : { samples: Number(values.samples) }
    const began = performance.now()
    await finish(
      await client.call('sensitivity.start', {
        project,
        pairs: values.pairs,
        ...(values.every && { every: true }),
        ...samples,
      }),
    )
    console.log(`sensitivity: ${((performance.now() - began) / 1000).toFixed(0)} s`)
    console.log('| bits | bytes | way | took | KL predicted | KL measured | sparsity | rank | blocks out |')
    for (const bits of values.bits.split(',').map(Number)) {
      // Every way has the bytes of that width for all layers.
      const asked = await client.call('plan.solve', { project, budget: { bits }, constraints: { only: ['bits'] } })
      for (const { name, only, uniform } of ways.filter(({ name }) => values.ways?.includes(name) ?? true)) {
        try {
          const budget = uniform ? { bits } : { bytes: asked.budgetBytes }
          const plan = await client.call('plan.solve', { project, budget, uniform, constraints: { only } })
          const job = await finish(await client.call('run.start', { project, recipe: plan.recipe }))
          const { evaluations } = await client.call('project.get', { project })
          const metrics = evaluations.filter(({ variant }) => variant === job.result).at(-1)?.metrics ?? {}
          const { bytes, loss, sparsity, rankShare } = plan.predicted
          const kl = metrics.klDivergence?.value ?? NaN
          console.log(
            `| ${bits} | ${bytes} | ${name} | ${plan.allocator} | ${loss.toPrecision(4)} | ${kl.toPrecision(4)} | ` +
              `${sparsity.toFixed(3)} | ${rankShare.toFixed(3)} | ${plan.removed.join(' ')} |`,
          )
        } catch (error) {
          if (!(error instanceof Fault)) throw error
          console.log(`| ${bits} | - | ${name} | refused: ${error.message} |`)
        }
      }
    }
  })
} finally {
  rmSync(home, { recursive: true, force: true })
}

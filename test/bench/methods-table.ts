// One table: methods x widths, measured on a whole model through the app as a person would:
//   node test/bench/methods-table.ts MODEL DATA [--bits 2,3,4,8] [--format onnx] [--samples n] METHOD ...
// METHOD is a quantizer with parameters and rewritings, joined by '+': nearest, gptq, rsq, nearest+awq, gptq+rotate,
// gptq:actOrder=true. A quantizer brings its own rewritings unless '+none' is among them. Bits are asked for; 'bpw' counts
// everything the exported file takes for the layers.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { methodsAsked } from '../../src-main/cli/methods.ts'
import { withSession } from '../../src-main/cli/session.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import { machine } from './measure.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    bits: { type: 'string', default: '2,3,4,8' },
    format: { type: 'string' },
    samples: { type: 'string' },
  },
})
const [model = '', data = '', ...methods] = positionals
const widths = values.bits.split(',').map(Number)
const home = mkdtempSync(join(tmpdir(), 'lathe-methods-'))

const figure = (value: number | undefined, digits = 4): string =>
  value === undefined ? '-' : value < 0.001 ? value.toExponential(2) : value.toFixed(digits)

try {
  console.log(machine())
  await withSession({ home, quiet: true }, async (session) => {
    const { client, finish } = session
    const { folder: project } = await client.call('project.create', { checkpoint: resolve(model), data: resolve(data) })
    if (values.format !== undefined) await client.call('project.setFormat', { project, format: values.format })
    const samples = values.samples === undefined ? undefined : Number(values.samples)
    let header = false
    for (const method of methods) {
      const [quantizer = 'nearest', ...prepare] = method.split('+')
      const asked = await methodsAsked(session, {
        quantizer,
        ...(prepare.length > 0 && { prepare }),
        ...(samples !== undefined && { samples }),
      })
      if (asked) await client.call('project.setMethods', { project, methods: asked })
      for (const bits of widths) {
        const began = performance.now()
        try {
          const plan = await client.call('plan.solve', { project, budget: { bits }, uniform: true })
          const job = await finish(await client.call('run.start', { project, recipe: plan.recipe }))
          const { evaluations } = await client.call('project.get', { project })
          const metrics = evaluations.filter(({ variant }) => variant === job.result).at(-1)?.metrics ?? {}
          const original = evaluations.find(({ variant }) => variant === null)?.metrics ?? {}
          const names = Object.keys(metrics).filter((name) => /^(perplexity|top1|sqnrDb)$/.test(name))
          if (!header) {
            header = true
            const before = names.map((name) => `${name} ${figure(original[name]?.value)}`).join(', ')
            console.log(`${model}: original ${before}`)
          }
          const task = names.map((name) => `${name} ${figure(metrics[name]?.value)}`).join('  ')
          const seconds = ((performance.now() - began) / 1000).toFixed(1)
          const { averageBits, bitsPerWeight, bytes } = plan.predicted
          console.log(
            `${method.padEnd(24)} ${String(bits).padStart(3)} bits  ${averageBits.toFixed(3)} codes ${bitsPerWeight.toFixed(3)} bpw  ` +
              `${bytes} B  KL ${figure(metrics.klDivergence?.value)}  ${task}  ${seconds} s`,
          )
        } catch (error) {
          if (!(error instanceof Fault)) throw error
          console.log(`${method.padEnd(24)} ${String(bits).padStart(3)} bits  refused: ${error.message}`)
        }
      }
    }
  })
} finally {
  rmSync(home, { recursive: true, force: true })
}

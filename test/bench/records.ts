// Planned mixes of GGUF types against the recorded files of llama.cpp's own quantizer, judged by llama.cpp itself:
//   node test/bench/records.ts [MODEL FOLDER] [--bytes 3629696,2418304] [--quantizer gptq] [--windows n] [--keep FOLDER]
// For each recorded size: the plan that fits it, run, exported, loaded by llama.cpp; mean KL divergence and mean
// ln(perplexity ratio) to its own float32 file over the second half of windows of 256 tokens of valid.txt, as recorded.
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { withSession } from '../../src-main/cli/session.ts'
import { dataFolder } from '../helpers/data.ts'
import { openJudge, records } from './llama-judge.ts'
import { machine } from './measure.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    bytes: { type: 'string' },
    quantizer: { type: 'string', default: 'gptq' },
    windows: { type: 'string', default: '172' },
    keep: { type: 'string' },
  },
})
const folder = positionals[0] ?? join(dataFolder, 'novels-5m')
const asked = values.bytes?.split(',').map(Number)
const rows = records.filter(([, bytes]) => asked?.includes(bytes) ?? true)
const home = values.keep === undefined ? mkdtempSync(join(tmpdir(), 'lathe-records-')) : resolve(values.keep)
mkdirSync(home, { recursive: true })

const judge = await openJudge(join(folder, 'valid.txt'), Number(values.windows))
try {
  console.log(machine())
  await withSession({ home, quiet: true }, async (session) => {
    const { client, finish } = session
    const data = join(folder, 'data.yaml')
    const known = (await client.call('project.recent', {})).find(({ checkpoint }) => checkpoint === resolve(folder))
    const { folder: project } = known
      ? await client.call('project.open', { folder: known.folder })
      : await client.call('project.create', { checkpoint: resolve(folder), data: resolve(data) })
    await client.call('project.setFormat', { project, format: 'gguf' })
    const quantizer = values.quantizer === 'nearest' ? null : { method: values.quantizer, parameters: {} }
    await client.call('project.setMethods', { project, methods: { quantizer, prepare: [], samples: null } })
    const measured = performance.now()
    await finish(await client.call('sensitivity.start', { project }))
    console.log(`sensitivity: ${((performance.now() - measured) / 1000).toFixed(0)} s`)
    const original = join(home, 'original.gguf')
    if (!existsSync(original))
      await finish(
        await client.call('convert.start', {
          ...{ checkpoint: resolve(folder), format: 'gguf', parameters: { type: 'F32' }, path: original },
        }),
      )
    console.log('| at the bytes of | bytes | planned | KL predicted | KL | of the record | ln | same % | s |')
    for (const [type, bytes, record] of rows) {
      const began = performance.now()
      const { recipe, predicted } = await client.call('plan.solve', { project, budget: { bytes } })
      const job = await finish(await client.call('run.start', { project, recipe, evaluate: false }))
      const path = join(home, `${type}.gguf`)
      await finish(
        await client.call('export.start', {
          project,
          variant: job.result ?? '',
          path,
          parameters: {},
          overwrite: true,
        }),
      )
      const { kl, ln, same } = await judge.compare(original, path)
      const used = new Map<string, number>()
      for (const { option } of recipe.layers) {
        const name = String(option.parameters.type ?? option.id)
        used.set(name, (used.get(name) ?? 0) + 1)
      }
      const mix = [...used].map(([name, count]) => `${count} ${name}`).join(', ')
      const seconds = ((performance.now() - began) / 1000).toFixed(0)
      console.log(
        `| ${type} | ${bytes} | ${statSync(path).size} | ${predicted.loss.toFixed(5)} | ${kl.toFixed(5)} | ` +
          `${(kl / record).toFixed(3)} | ${ln.toFixed(4)} | ${same.toFixed(1)} | ${seconds} | ${mix}`,
      )
    }
  })
} finally {
  if (values.keep === undefined) rmSync(home, { recursive: true, force: true })
  await judge.close()
}

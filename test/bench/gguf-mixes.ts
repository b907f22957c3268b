// The files of llama.cpp's own quantizer rebuilt type for type: every tensor in the type that its quantizer gives it, the
// codes Lathe's, judged by llama.cpp itself. What differs from the recorded row is then nothing but the codes.
//   node test/bench/gguf-mixes.ts [MODEL FOLDER] [--types Q4_K_M,Q3_K_M] [--ways weighted,feedback] [--windows n]
//     [--samples 400] [--sweeps n] [--starts n] [--keep FOLDER]
// weighted: to nearest with measured importance of the channels, as its imatrix is. feedback: error feedback and refinement.
// Expected: the bytes of the row but for the header's words, KL at most the row's, and with feedback at most 0.85 of it.
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Option } from '../../src-preload/contract/plan.ts'
import { withSession } from '../../src-main/cli/session.ts'
import { openNetwork } from '../../src-main/engine/checkpoint/open.ts'
import { ggmlOption, type WritableType } from '../../src-main/engine/export/gguf/types.ts'
import { ggmlLdlq } from '../../src-main/engine/quantize/ggml-ldlq.ts'
import { dataFolder } from '../helpers/data.ts'
import { mixes } from './llama-mixes.ts'
import { openJudge, records } from './llama-judge.ts'
import { machine } from './measure.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    types: { type: 'string' },
    ways: { type: 'string', default: 'weighted,feedback' },
    windows: { type: 'string', default: '172' },
    samples: { type: 'string', default: '400' },
    sweeps: { type: 'string' },
    starts: { type: 'string' },
    keep: { type: 'string' },
  },
})
const folder = resolve(positionals[0] ?? join(dataFolder, 'novels-5m'))
const home = values.keep === undefined ? mkdtempSync(join(tmpdir(), 'lathe-mixes-')) : resolve(values.keep)
mkdirSync(home, { recursive: true })
const asked = values.types?.split(',')
const ways = values.ways.split(',')
const refining = ggmlLdlq.params.parse({
  ...(values.sweeps !== undefined && { sweeps: Number(values.sweeps) }),
  ...(values.starts !== undefined && { starts: Number(values.starts) }),
})

/** The option that writes `type` one of the ways. Nothing is measured for an embedding: llama.cpp has no importance of its
 *  rows either. */
function optionOf(type: WritableType, way: string, embedding: boolean): Option {
  const plain = ggmlOption(type, way === 'weighted' && !embedding)
  return way === 'feedback' && !embedding ? (ggmlLdlq.twin?.(plain, refining) ?? plain) : plain
}

const network = openNetwork(folder)
const { layers, head, blocks } = network
const query = layers.find(({ role }) => role === 'q')
const value = layers.find(({ role }) => role === 'v')
const shape = { blocks: blocks.length, queriesPerKey: (query?.rows ?? 1) / (value?.rows ?? 1) }
const compressible = layers.filter((layer) => layer.compressible)
network.source.close()

const judge = await openJudge(join(folder, 'valid.txt'), Number(values.windows))
try {
  console.log(machine())
  await withSession({ home, quiet: true }, async ({ client, finish }) => {
    const known = (await client.call('project.recent', {})).find(({ checkpoint }) => checkpoint === folder)
    const project = known
      ? await client.call('project.open', { folder: known.folder })
      : await client.call('project.create', { checkpoint: folder, data: join(folder, 'data.yaml') })
    await client.call('project.setFormat', { project: project.folder, format: 'gguf' })
    const original = join(home, 'original.gguf')
    const whole = { checkpoint: folder, format: 'gguf', parameters: { type: 'F32' }, path: original }
    if (!existsSync(original)) await finish(await client.call('convert.start', whole))
    console.log('| file | codes | bytes | of the row | KL | row | ratio | ln | same % | s |')
    console.log('| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |')
    for (const [type, bytes, record] of records.filter(([name]) => asked?.includes(name) ?? true)) {
      for (const way of ways) {
        const began = performance.now()
        const mix = mixes[type]
        if (!mix) throw new Error(`No rules for ${type}.`)
        const quantizer = way === 'feedback' ? { method: 'ggml-ldlq', parameters: { ...refining } } : null
        const recipe = {
          lathe: 1 as const,
          checkpoint: { name: project.name, fingerprint: project.checkpoint.fingerprint },
          seed: 0,
          format: 'gguf',
          data: project.data?.fingerprint ?? '',
          methods: { quantizer, prepare: [], samples: Number(values.samples) },
          layers: compressible.map((layer) => {
            const role = layer.name === head?.weight ? 'head' : layer.role
            return { name: layer.name, option: optionOf(mix(role, layer.block ?? 0, shape), way, role === 'embed') }
          }),
        }
        const job = await finish(await client.call('run.start', { project: project.folder, recipe, evaluate: false }))
        const path = join(home, `${type}-${way}.gguf`)
        const written = { project: project.folder, variant: job.result ?? '', path, parameters: {}, overwrite: true }
        await finish(await client.call('export.start', written))
        const { kl, ln, same } = await judge.compare(original, path)
        const [size, seconds] = [statSync(path).size, ((performance.now() - began) / 1000).toFixed(0)]
        const cells = [type, way, size, signed(size - bytes), kl.toFixed(5), record, (kl / record).toFixed(3), ln.toFixed(4), same.toFixed(1), seconds] // prettier-ignore
        console.log(`| ${cells.join(' | ')} |`)
      }
    }
  })
} finally {
  if (values.keep === undefined) rmSync(home, { recursive: true, force: true })
  await judge.close()
}

function signed(difference: number): string {
  return difference > 0 ? `+${difference}` : `${difference}`
}

// Predicted against measured loss over random recipes:
//   node test/bench/predict.ts MODEL DATA [recipes=24] [seed=1]
// Every layer draws its width at random; prints one line a recipe and Spearman's rank correlation at the end.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { spearman } from '../../src-main/app/calibrate.ts'
import { withSession } from '../../src-main/cli/session.ts'

const [model = '', data = '', count = '24', seed = '1'] = process.argv.slice(2)
const home = mkdtempSync(join(tmpdir(), 'lathe-predict-'))

/** Mulberry32. */
let state = Number(seed) >>> 0
const random = (): number => {
  state = (state + 0x6d2b79f5) >>> 0
  let t = Math.imul(state ^ (state >>> 15), state | 1)
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

try {
  await withSession({ home }, async ({ client, finish }) => {
    const { folder: project } = await client.call('project.create', { checkpoint: resolve(model), data: resolve(data) })
    await finish(await client.call('sensitivity.start', { project }))
    const layers = await client.call('option.list', { project })
    const predicted: number[] = []
    const measured: number[] = []
    for (let i = 0; i < Number(count); i++) {
      // A recipe has a width of its own around which its layers scatter, so that the losses span the useful range.
      const centre = 2.5 + random() * 4
      const locked: Record<string, string> = {}
      for (const layer of layers) {
        const wanted = Math.min(8, Math.max(2, Math.round(centre + (random() - 0.5) * 3)))
        const option = layer.options.find((each) => each.bits === wanted)
        if (option) locked[layer.name] = option.id
      }
      const plan = await client.call('plan.solve', { project, budget: { bytes: Number.MAX_SAFE_INTEGER }, locked })
      const job = await finish(await client.call('run.start', { project, recipe: plan.recipe }))
      const after = await client.call('project.get', { project })
      const kl =
        after.evaluations.filter((each) => each.variant === job.result).at(-1)?.metrics.klDivergence?.value ??
        Number.NaN
      const additive = plan.layers.reduce((sum, layer) => sum + layer.loss, 0)
      predicted.push(additive)
      measured.push(kl)
      console.log(
        `${i + 1} bits ${plan.predicted.averageBits.toFixed(2)} predicted ${additive.toExponential(3)} measured ${kl.toExponential(3)}`,
      )
    }
    console.log(`Spearman ${spearman(predicted, measured)?.toFixed(4) ?? 'unknown'} over ${predicted.length} recipes`)
  })
} finally {
  rmSync(home, { recursive: true, force: true })
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { formatBytes, formatDuration, formatTable } from '../format.ts'
import { evaluationDocument, latestEvaluation, plainMetrics, print } from '../output.ts'
import { type CommonOptions, type Session, withSession } from '../session.ts'
import { deliver, deliveryWords } from './deliver.ts'
import { frontWords } from './front.ts'
import { makePlan } from './plan.ts'

/** The main job on one sample: inspect, score, plan, measure a front, compress, export, verify. */
async function show(session: Session, sample: 'language' | 'vision', out: string) {
  const { client, say } = session
  const project = await client.call('project.createSample', { sample })
  const { checkpoint, data } = project
  say(
    `\n${sample}: ${checkpoint.name}, ${checkpoint.layers.length} tensors, ${checkpoint.blocks} blocks, ${formatBytes(checkpoint.bytes)}; ${data?.evaluate ?? 0} ${data?.unit ?? ''} to evaluate`,
  )
  await session.finish(await client.call('score.start', { project: project.folder, uses: [{ method: 'lim' }] }))
  const score = await client.call('score.get', { project: project.folder, method: 'lim' })
  const plan = await makePlan(session, project.folder, { bits: 4 }, false)
  const budgets = [2, 3, 4, 6].map((bits) => ({ bits }))
  await session.finish(await client.call('front.start', { project: project.folder, budgets, uniform: true }))
  const front = await client.call('front.get', { project: project.folder })
  const delivery = await deliver(session, project.folder, plan.recipe, {
    out: join(out, sample),
    format: 'onnx',
    overwrite: true,
    evaluate: true,
  })
  const after = await client.call('project.get', { project: project.folder })
  const original = latestEvaluation(after, null)
  return {
    sample,
    checkpoint,
    score,
    plan: plan.predicted,
    front,
    delivery,
    original: original ? evaluationDocument(original) : null,
  }
}

export async function demo(options: CommonOptions & { out?: string }): Promise<void> {
  const began = performance.now()
  const home = mkdtempSync(join(tmpdir(), 'lathe-demo-'))
  const out = options.out === undefined ? join(home, 'exports') : resolve(options.out)
  try {
    await withSession({ ...options, home }, async (session) => {
      const vision = await show(session, 'vision', out)
      const language = await show(session, 'language', out)
      const seconds = (performance.now() - began) / 1000
      const samples = [vision, language].map(({ front, checkpoint, ...rest }) => ({
        ...rest,
        checkpoint: {
          name: checkpoint.name,
          family: checkpoint.family,
          parameters: checkpoint.parameters,
          bytes: checkpoint.bytes,
          blocks: checkpoint.blocks,
        },
        front: {
          ...front,
          measured: front.measured.map((point) => ({ ...point, metrics: plainMetrics(point.metrics) })),
        },
      }))
      print(options, { seconds, samples }, () =>
        [
          ...[vision, language].flatMap(({ sample, checkpoint, score, front, delivery }) => [
            `── ${sample} · ${checkpoint.family} · ${formatBytes(checkpoint.bytes)}`,
            ...(score
              ? [
                  formatTable(
                    ['block', 'LIM'],
                    [...score.values]
                      .sort((a, b) => b.value - a.value)
                      .slice(0, 3)
                      .map(({ key, value }) => [key, value.toPrecision(4)]),
                  ),
                ]
              : []),
            '',
            frontWords(front),
            '',
            deliveryWords(delivery),
            '',
          ]),
          `done in ${formatDuration(seconds * 1000)}`,
        ].join('\n'),
      )
    })
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

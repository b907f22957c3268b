// A head read tile by tile gives the losses that whole logits give: capped, tied, behind a projection.
import { rmSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
import { weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { createJudge } from '../../../src-main/engine/evaluate/judge.ts'
import { segment } from '../../../src-main/engine/graph/segment.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import { familyCases, writeGoldenFolder } from '../families/golden.ts'
import { fail, openPath, whole } from '../families/run.ts'

test.each(['gemma2', 'opt_after_projected', 'gpt2', 'neox', 'gemma3_seeing'])('%s', async (name) => {
  const golden = familyCases.find((each) => each.name === name) ?? fail(`no case ${name}`)
  const folder = writeGoldenFolder(golden)
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const network = openPath(folder)
  onTestFinished(() => network.source.close())
  const { graph, head } = network
  if (!graph || !head) throw new Error('no language model')
  const body = segment(graph, { outputs: [head.hidden] })
  const session = await openSession(body, weightReader(network), { device: 'cpu', threads: 1 }, fail)
  const hidden = (await session.run({ input_ids: whole(golden.ids) }))[head.hidden]?.data as Float32Array
  await session.release()

  const rows = golden.ids.flat().length
  const targets = Int32Array.from({ length: rows }, (_, row) => (7 * row + 3) % head.vocabulary)
  const judge = await createJudge(network, { device: 'cpu', notify: fail })
  const { nll } = await judge.compare(hidden, hidden, targets)
  await judge.release()
  const logits = golden.logits.flat()
  for (let row = 0; row < rows; row++) {
    const own = logits.slice(row * head.vocabulary, (row + 1) * head.vocabulary)
    const sum = own.reduce((total, logit) => total + Math.exp(logit), 0)
    expect(nll?.[row]).toBeCloseTo(Math.log(sum) - (own[targets[row] ?? 0] ?? 0), 4)
  }
})

import { resolve } from 'node:path'
import type { CheckpointSummary } from '../../../src-preload/contract/model.ts'
import { formatBytes, formatCount, formatTable } from '../format.ts'
import { print } from '../output.ts'
import { type CommonOptions, withSession } from '../session.ts'

export const inspect = (model: string, options: CommonOptions): Promise<void> =>
  withSession(options, async ({ client, say }) => {
    const summary = await client.call('checkpoint.inspect', { path: resolve(model) })
    for (const notice of summary.notices) say(`note: ${notice}`)
    print(options, summary, () => words(summary))
  })

function words(summary: CheckpointSummary): string {
  const rows = summary.layers.map((layer) => [
    layer.name,
    layer.role,
    layer.block === null ? '–' : String(layer.block),
    layer.shape.join(' × ') || 'scalar',
    layer.stored ?? layer.dtype,
    formatBytes(layer.bytes),
  ])
  const fits = summary.exports.flatMap(({ format, reason }) => (reason === null ? [format] : []))
  const card = Object.entries(summary.card).map(([name, value]) => `${name} ${value}`)
  return [
    `${summary.name} · ${summary.format} · ${summary.family} · ${formatCount(summary.parameters)} parameters · ${formatBytes(summary.bytes)} · ${summary.blocks} blocks`,
    ...(card.length > 0 ? [card.join(' · ')] : []),
    ...(fits.length > 0 ? [`can be exported as ${fits.join(', ')}`] : []),
    '',
    formatTable(['layer', 'role', 'block', 'shape', 'stored as', 'size'], rows),
  ].join('\n')
}

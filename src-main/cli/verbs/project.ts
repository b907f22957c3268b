import type { Project } from '../../../src-preload/contract/project.ts'
import { resolve } from 'node:path'
import { formatBytes, formatTable } from '../format.ts'
import { print } from '../output.ts'
import { type CommonOptions, withSession } from '../session.ts'

export const projectList = (options: CommonOptions): Promise<void> =>
  withSession(options, async ({ client }) => {
    const recent = await client.call('project.recent', {})
    print(options, recent, () =>
      recent.length === 0
        ? 'No projects yet: lathe project create MODEL'
        : formatTable(
            ['name', 'folder', 'checkpoint', 'opened'],
            recent.map((each) => [
              each.name,
              each.exists ? each.folder : `${each.folder} (gone)`,
              each.checkpoint,
              each.openedAt,
            ]),
          ),
    )
  })

export const projectCreate = (model: string, options: CommonOptions & { data?: string }): Promise<void> =>
  withSession(options, async ({ client }) => {
    const folder = options.project === undefined ? null : resolve(options.project)
    const data = options.data === undefined ? null : resolve(options.data)
    const made = await client.call('project.create', { checkpoint: resolve(model), folder, data })
    print(options, made, () => `created ${made.folder}`)
  })

export const projectShow = (folder: string, options: CommonOptions): Promise<void> =>
  withSession(options, async ({ client }) => {
    const project = await client.call('project.open', { folder: resolve(folder) })
    print(options, project, () =>
      [
        `${project.name} · ${project.checkpoint.path} · ${project.device}`,
        `data: ${project.data ? `${project.data.path} (${project.data.calibrate} to calibrate, ${project.data.evaluate} to evaluate: ${project.data.unit})` : 'none'}`,
        `sensitivity: ${sensitivityWords(project.sensitivity)}`,
        ...project.variants.map(
          (each) => `variant ${each.name}: ${each.averageBits.toFixed(2)} bits, ${formatBytes(each.bytes)}`,
        ),
        ...project.exports.map((each) => `export ${each.format}: ${each.folder}`),
      ].join('\n'),
    )
  })

function sensitivityWords({ measured, told = 0, total }: Project['sensitivity']): string {
  const run = `${measured - told} of ${total} options of layers measured`
  return told > 0 ? `${run}, ${told} told from others of their layer` : run
}

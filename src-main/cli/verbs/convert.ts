import { resolve } from 'node:path'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { conversionParameters } from '../parameters.ts'
import { formatBytes } from '../format.ts'
import { print } from '../output.ts'
import { type CommonOptions, requireMethod, withSession } from '../session.ts'

interface Options extends CommonOptions {
  to: string
  out: string
  type?: string
  param?: string[]
  data?: string
  imatrix?: string
  overwrite?: boolean
}

export const convert = (model: string, options: Options): Promise<void> =>
  withSession(options, async (session) => {
    const { client, say } = session
    if (options.data !== undefined && options.imatrix !== undefined)
      throw new Fault('bad-arguments', 'Give --imatrix or --data to measure one on, not both.')
    await requireMethod(session, 'export', options.to)
    const checkpoint = resolve(model)
    const parameters = await conversionParameters(session, options.to, options)
    const source = await client.call('checkpoint.inspect', { path: checkpoint })
    for (const notice of source.notices) say(`note: ${notice}`)
    const plan = await client.call('convert.plan', { checkpoint, format: options.to, parameters })
    say(`${source.name}: ${formatBytes(source.bytes)} → about ${formatBytes(plan.bytes)}`)
    const job = await session.finish(
      await client.call('convert.start', {
        checkpoint,
        format: options.to,
        parameters,
        path: resolve(options.out),
        overwrite: options.overwrite === true,
        importance: options.imatrix === undefined ? null : resolve(options.imatrix),
        data: options.data === undefined ? null : { path: resolve(options.data), split: options.split ?? 'auto' },
      }),
    )
    const made = await client.call('convert.get', { job: job.id })
    const bytes = made.files.reduce((sum, file) => sum + file.bytes, 0)
    const { format, folder, files, verified } = made
    const document = { format, folder, files, bytes, sourceBytes: source.bytes, layers: plan.layers, verified }
    print(options, document, () =>
      [
        ...files.map((file) => `${file.path}  ${formatBytes(file.bytes)}  sha256 ${file.sha256}`),
        ...verified.map((fact) => `verified: ${fact}`),
      ].join('\n'),
    )
  })

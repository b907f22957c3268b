import { Fault } from '../../../src-preload/contract/fault.ts'
import { formatTable } from '../format.ts'
import { print } from '../output.ts'
import { type CommonOptions, openWork, requireMethod, withSession } from '../session.ts'

interface Options extends CommonOptions {
  data?: string
  method: string
}

export const score = (model: string, options: Options): Promise<void> =>
  withSession(options, async (session) => {
    const { method } = options
    await requireMethod(session, 'score', method)
    const project = await openWork(session, model, options, options.data)
    await session.finish(await session.client.call('score.start', { project: project.folder, uses: [{ method }] }))
    const result = await session.client.call('score.get', { project: project.folder, method })
    if (!result) throw new Fault('internal', `The job left no score '${method}'.`)
    const ranked = [...result.values].sort((a, b) => b.value - a.value)
    print(options, result, () =>
      formatTable(
        ['rank', result.per, 'score'],
        ranked.map(({ key, value }, index) => [String(index + 1), key, value.toPrecision(5)]),
      ),
    )
  })

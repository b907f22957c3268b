import { formatTable } from '../format.ts'
import { print } from '../output.ts'
import { type CommonOptions, withSession } from '../session.ts'

export const methods = (options: CommonOptions): Promise<void> =>
  withSession(options, async ({ client }) => {
    const all = await client.call('method.list', {})
    print(options, all, () =>
      formatTable(
        ['family', 'id', 'title', 'needs', 'source'],
        all.map((method) => [method.family, method.id, method.title, method.needs.join(', '), method.cite]),
      ),
    )
  })

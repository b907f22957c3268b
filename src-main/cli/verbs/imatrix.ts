import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { formatBytes } from '../format.ts'
import { print } from '../output.ts'
import { type CommonOptions, openWork, withSession } from '../session.ts'

interface Options extends CommonOptions {
  data: string
  out: string
  overwrite?: boolean
}

export const imatrix = (model: string, options: Options): Promise<void> =>
  withSession(options, async (session) => {
    const { client } = session
    const project = await openWork(session, model, options, options.data)
    const path = resolve(options.out)
    const overwrite = options.overwrite === true
    await session.finish(await client.call('importance.start', { project: project.folder, path, overwrite }))
    const { size: bytes } = statSync(path)
    const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex')
    print(options, { path, bytes, sha256 }, () => `${path}  ${formatBytes(bytes)}  sha256 ${sha256}`)
  })

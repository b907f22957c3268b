import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Handlers } from '../../src-preload/contract/server.ts'
import { projectRoot } from '../jobs/locate.ts'
import type { AppContext } from './context.ts'

const manifestSchema = z.object({ version: z.string() })

export const latheVersion = (): string =>
  manifestSchema.parse(JSON.parse(readFileSync(join(projectRoot(), 'package.json'), 'utf8'))).version

export const infoHandlers = (context: AppContext): Pick<Handlers, 'app.info'> => ({
  'app.info': () => ({
    version: latheVersion(),
    platform: `${process.platform} ${process.arch}`,
    home: context.home,
    door: context.door,
  }),
})

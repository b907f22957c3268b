import { resolve } from 'node:path'
import type { DataSummary } from '../../src-preload/contract/model.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import type { DataReference } from '../engine/protocol.ts'
import { type AppContext, ask } from './context.ts'

export const describeData = (context: AppContext, checkpoint: string, data: DataReference): Promise<DataSummary> =>
  ask(context, 'describeData', { checkpoint, data })

export const dataHandlers = (context: AppContext): Pick<Handlers, 'data.describe'> => ({
  'data.describe': ({ path, checkpoint, split }) =>
    describeData(context, resolve(checkpoint), { path: resolve(path), split }),
})

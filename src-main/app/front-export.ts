import type { Handlers } from '../../src-preload/contract/server.ts'
import type { AppContext } from './context.ts'
import { frontCsv } from './front-csv.ts'
import { frontPage } from './front-page.ts'
import { frontOf } from './front-points.ts'
import { frontSvg } from './front-svg.ts'
import { planModel } from './plan-model.ts'
import { snapshotOf } from './snapshot.ts'

const types = { svg: 'image/svg+xml', csv: 'text/csv', html: 'text/html' } as const

const against = { size: 'size', bits: 'bits a weight', latency: 'time', memory: 'peak memory' } as const

export const frontExportHandlers = (context: AppContext): Pick<Handlers, 'front.export'> => ({
  'front.export': async ({ project, as, x }) => {
    const open = context.projects.get(project)
    const front = frontOf(open, await planModel(context, open))
    const { name } = snapshotOf(open).checkpoint
    const text =
      as === 'csv'
        ? frontCsv(front)
        : as === 'svg'
          ? frontSvg(front, `${name}: KL divergence against ${against[x]}`, x)
          : frontPage(snapshotOf(open), front, x)
    // What a file system may not take becomes a dash.
    return { name: `${name.replace(/[^\p{L}\p{N}._-]+/gu, '-')}-front.${as}`, type: types[as], text }
  },
})

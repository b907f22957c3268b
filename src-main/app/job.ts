import type { Handlers } from '../../src-preload/contract/server.ts'
import type { AppContext } from './context.ts'

export const jobHandlers = ({
  queue,
}: AppContext): Pick<Handlers, 'job.list' | 'job.cancel' | 'job.resume' | 'job.dismiss'> => ({
  'job.list': () => queue.list(),
  'job.cancel': ({ job }) => {
    queue.cancel(job)
    return {}
  },
  'job.resume': async ({ job }) => {
    await queue.resume(job)
    return {}
  },
  'job.dismiss': ({ job }) => {
    queue.dismiss(job)
    return {}
  },
})

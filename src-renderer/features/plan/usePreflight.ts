import { shallowRef } from 'vue'
import type { Arguments } from '../../../src-preload/contract/channels.ts'
import type { Preflight } from '../../../src-preload/contract/preflight.ts'
import { useLathe } from '../../api/lathe.ts'
import { useToasts } from '../../stores/toasts.ts'
import { formatBytes, formatDuration } from '../../ui/format.ts'

type Job = Arguments<'plan.preflight'>['job']

/** 'about 9 s, 310 MB of memory, 2.6 MB on disk' */
export const preflightWords = ({ time, memory, disk }: Preflight): string =>
  [
    `about ${formatDuration(time.seconds * 1000)}`,
    `${formatBytes(memory.peakBytes)} of memory`,
    ...(disk.bytes > 0 ? [`${formatBytes(disk.bytes)} on disk`] : []),
  ].join(', ')

/** Before a run: what it will take. Where it fits, the run begins and the figures are told; where not, the person is asked.
 *  It never stands in the way by itself: a pre-flight that fails lets the run begin. */
export function usePreflight() {
  const { client } = useLathe()
  const toasts = useToasts()
  /** What does not fit, waiting for an answer. */
  const asking = shallowRef<{ found: Preflight; answer: (goesOn: boolean) => void } | null>(null)

  /** `quietly`: the figures were told before. */
  async function allows(project: string, job: Job, how: 'told' | 'quietly' = 'told'): Promise<boolean> {
    let found: Preflight
    try {
      found = await client.call('plan.preflight', { project, job })
    } catch (error) {
      toasts.showError(error)
      return true
    }
    if (found.fits) {
      if (how === 'told')
        toasts.show({ tone: 'info', title: 'Started', text: `It will take ${preflightWords(found)}.` })
      return true
    }
    const { promise, resolve } = Promise.withResolvers<boolean>()
    asking.value = {
      found,
      answer(goesOn) {
        asking.value = null
        resolve(goesOn)
      },
    }
    return promise
  }
  return { asking, allows }
}

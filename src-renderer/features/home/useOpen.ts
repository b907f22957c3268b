import { inject, type InjectionKey, provide, type Ref, ref, type ShallowRef } from 'vue'
import type { FaultShape } from '../../../src-preload/contract/fault.ts'
import type { Project } from '../../../src-preload/contract/project.ts'
import { useLathe } from '../../api/lathe.ts'
import { useProject } from '../../stores/project.ts'
import { type Step, useSession } from '../../stores/session.ts'
import { usePick } from '../files/usePick.ts'
import { useAction } from '../useAction.ts'

export interface Open {
  isBusy: Ref<boolean>
  fault: ShallowRef<FaultShape | null>
  /** Why what was open before the page was loaded anew is not open now, in words. */
  notice: Ref<string | null>
  clear(): void
  again(last: { folder: string; step: Step }): Promise<void>
  checkpoint(path: string): Promise<void>
  project(folder: string): Promise<void>
  sample(sample: 'language' | 'vision'): Promise<void>
  pickCheckpoint(): Promise<void>
  pickProject(): Promise<void>
  forget(folder: string): Promise<void>
}

const key: InjectionKey<Open> = Symbol('open')

/** Every way into a project. Made once by the window, because the keyboard shortcut and the start screen share it. */
export function provideOpen(): Open {
  const { client } = useLathe()
  const projects = useProject()
  const session = useSession()
  const pick = usePick()

  const notice = ref<string | null>(null)

  async function enter(next: Project, step?: Step): Promise<void> {
    notice.value = null
    projects.open(next)
    // What was measured is what a person comes back for; a new project is looked at first.
    session.go(step ?? (next.evaluations.length > 0 ? 'compare' : 'inspect'))
    session.setRecents(await client.call('project.recent', {}))
  }
  const action = useAction(async (open: () => Promise<Project | null>, step?: Step) => {
    const next = await open()
    if (next) await enter(next, step)
  })
  const failing = (open: () => Promise<Project | null>): Promise<void> =>
    action.run(open).then(() => void (action.fault.value && session.go('home')))

  const open: Open = {
    isBusy: action.isBusy,
    fault: action.fault,
    notice,
    clear: action.clear,
    async again({ folder, step }) {
      await action.run(() => client.call('project.open', { folder }), step)
      if (projects.project || !action.fault.value) return
      const { message } = action.fault.value
      const which = message.includes(folder) ? '' : ` (${folder})`
      notice.value = `The project that was open here${which} could not be opened again. ${message}`
      action.clear()
    },
    checkpoint: (path) => failing(() => client.call('project.create', { checkpoint: path })),
    project: (folder) => failing(() => client.call('project.open', { folder })),
    sample: (sample) => failing(() => client.call('project.createSample', { sample })),
    pickCheckpoint: () =>
      failing(async () => {
        const path = await pick('checkpoint')
        return path === null ? null : client.call('project.create', { checkpoint: path })
      }),
    pickProject: () =>
      failing(async () => {
        const folder = await pick('project')
        return folder === null ? null : client.call('project.open', { folder })
      }),
    async forget(folder) {
      await client.call('project.forget', { folder })
      session.setRecents(await client.call('project.recent', {}))
    },
  }
  provide(key, open)
  return open
}

export function useOpen(): Open {
  const open = inject(key)
  if (!open) throw new Error('This component was mounted outside the window.')
  return open
}

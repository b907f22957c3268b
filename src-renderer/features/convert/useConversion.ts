import type { CheckpointSummary } from '../../../src-preload/contract/model.ts'
import { Fault, toFault } from '../../../src-preload/contract/fault.ts'
import { useLathe } from '../../api/lathe.ts'
import { useConvert } from '../../stores/convert.ts'
import { useSession } from '../../stores/session.ts'
import { useToasts } from '../../stores/toasts.ts'
import { conversionChoices } from '../formats/formatChoices.ts'
import { fieldsOf, changedValues } from '../formats/fields.ts'
import { usePick } from '../files/usePick.ts'
import { latest } from '../latest.ts'
import { useAction } from '../useAction.ts'
import { folderOf } from './convertName.ts'

/** What every form asks for itself: importance is given as a file or as data. */
export const askedElsewhere = ['weighted']

/** The ways through a conversion: choose a file, see what it would become, write it. */
export function useConversion() {
  const { client } = useLathe()
  const store = useConvert()
  const session = useSession()
  const toasts = useToasts()
  const pick = usePick()

  const methodOf = (id: string | null) =>
    session.methods.find((method) => method.family === 'export' && method.id === id)
  /** Another kind of file where there is one, else the first that fits. */
  function firstTarget(summary: CheckpointSummary): string | null {
    const fitting = conversionChoices(session.methods, summary).filter(({ reason }) => reason === null)
    const other = fitting.find(({ id }) => methodOf(id)?.file?.extension !== `.${summary.format}`)
    return (other ?? fitting[0])?.id ?? null
  }
  const opening = useAction(async (given: string | null) => {
    const path = given ?? (await pick('checkpoint'))
    if (path === null) return
    const summary = await client.call('checkpoint.inspect', { path })
    store.setSource(summary)
    store.folder = folderOf(summary.path)
    store.setFormat(firstTarget(summary))
  })
  /** From a menu or another screen: here at once, with this file. */
  async function from(path: string): Promise<void> {
    session.go('convert')
    await opening.run(path)
    // Whoever called shows no fault of ours.
    if (opening.fault.value) toasts.showError(Fault.from(opening.fault.value))
  }

  function parameters() {
    const method = methodOf(store.format)
    return method ? changedValues(fieldsOf(method), store.values) : {}
  }
  const look = latest(
    async (_: unknown) => {
      const { source, format } = store
      if (!source || !format) return
      try {
        const plan = await client.call('convert.plan', { checkpoint: source.path, format, parameters: parameters() })
        if (store.source === source && store.format === format) store.setPlan(plan, null)
      } catch (error) {
        store.setPlan(null, toFault(error).toShape())
      }
    },
    () => undefined,
  )

  const start = useAction(async (path: string) => {
    const { source, format, overwrite, weighing } = store
    if (!source || !format) return
    const weights = store.weighingPath.trim()
    const { job } = await client.call('convert.start', {
      checkpoint: source.path,
      format,
      parameters: parameters(),
      path,
      overwrite,
      importance: weighing === 'imatrix' && weights ? weights : null,
      data: weighing === 'data' && weights ? { path: weights } : null,
    })
    store.begin(job)
  })
  const finish = async (job: string): Promise<void> => store.setResult(await client.call('convert.get', { job }))

  return { opening, from, methodOf, look, start, finish }
}

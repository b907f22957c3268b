import { useLathe } from '../../api/lathe.ts'
import { type Purpose, useChooser } from '../../stores/chooser.ts'

/** Asks for a path: the native dialog where the door has one, else Lathe's own chooser. Null when cancelled. */
export function usePick(): (purpose: Purpose) => Promise<string | null> {
  const { client } = useLathe()
  const chooser = useChooser()
  return async (purpose) => {
    const native = await client.call('files.pick', { purpose })
    return native.supported ? native.path : chooser.ask(purpose)
  }
}

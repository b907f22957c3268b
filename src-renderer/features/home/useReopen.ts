import { watch } from 'vue'
import { z } from 'zod'
import { recall, remember } from '../../stores/remember.ts'
import { useProject } from '../../stores/project.ts'
import { steps, tools, useSession } from '../../stores/session.ts'
import type { Open } from './useOpen.ts'

const key = 'lathe.here'
const hereSchema = z.object({ folder: z.string().min(1), step: z.enum([...steps, ...tools]) })
// As long as this window or tab: a new one begins at the start, and two do not disturb each other.
const where = (): Storage => sessionStorage

/** Opens the project again, at the step, where the page was when it was loaded anew. A project that is gone is forgotten, so
 *  that it is tried once. */
export function useReopen(open: Open): void {
  const projects = useProject()
  const session = useSession()
  const here = recall(key, hereSchema, where)
  watch(
    [() => projects.project?.folder, () => session.step],
    ([folder, step]) => folder !== undefined && remember(key, { folder, step }, where),
  )
  if (here) void open.again(here).then(() => projects.project ?? remember(key, null, where))
}

import { z } from 'zod'
import type { MethodFamily, MethodSummary, Need } from '../../src-preload/contract/methods.ts'

/** What every method file declares; families add their own `apply`. */
export interface MethodBase<P extends z.ZodObject = z.ZodObject> {
  id: string
  family: MethodFamily
  title: string
  summary: string // one plain sentence for a tooltip
  cite: string // authors, year, title, section
  formula: string
  cost: string
  needs: readonly Need[]
  version: number // raised when results change
  params: P
}

/** A method as the window, the command line and the docs list it. */
export const describeMethod = (method: MethodBase): MethodSummary => ({
  id: method.id,
  family: method.family,
  title: method.title,
  summary: method.summary,
  cite: method.cite,
  formula: method.formula,
  cost: method.cost,
  needs: [...method.needs],
  version: method.version,
  parameters: z.toJSONSchema(method.params, { io: 'input' }) as MethodSummary['parameters'],
})

import { z } from 'zod'
import { faultSchema } from './fault.ts'

/** What travels back through a door: never undefined, never a bare exception. */
export const replySchema = z.union([
  z.object({ ok: z.literal(true), result: z.unknown() }),
  z.object({ ok: z.literal(false), fault: faultSchema }),
])
export type Reply = z.infer<typeof replySchema>

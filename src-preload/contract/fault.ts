import { z } from 'zod'

/** What kind of thing went wrong; doors map it to an exit code, an HTTP status or an icon. */
export const faultCodes = [
  'bad-arguments', // the call does not fit its schema, or an option does not exist
  'bad-input', // a file is malformed: data says file, field, offset
  'unsupported', // well-formed, but Lathe cannot do it
  'not-found',
  'forbidden', // a stranger's call, or a path outside the checkpoint's folder
  'too-large',
  'bad-data', // calibration or evaluation data is empty, out of range or does not fit the network
  'conflict', // project locked by another process, target exists
  'disk', // no space, no permission, read-only
  'device', // the execution provider failed
  'engine', // the engine process died; message says why
  'verification', // what was written does not behave like what was meant
  'infeasible', // no plan fits the budget
  'cancelled',
  'internal', // a defect in Lathe
] as const
export type FaultCode = (typeof faultCodes)[number]

export const faultDataSchema = z
  .object({
    file: z.string(),
    field: z.string(),
    offset: z.number(),
    tensor: z.string(),
    expected: z.string(),
    found: z.string(),
  })
  .partial()
  .catchall(z.json())
export type FaultData = z.infer<typeof faultDataSchema>

export const faultSchema = z.object({
  code: z.enum(faultCodes),
  message: z.string(),
  hint: z.string().optional(),
  data: faultDataSchema.optional(),
})
export type FaultShape = z.infer<typeof faultSchema>

/** The only error that crosses a door. `message` says what and where, `hint` what to do. */
export class Fault extends Error {
  readonly code: FaultCode
  readonly hint: string | undefined
  readonly data: FaultData | undefined

  constructor(code: FaultCode, message: string, more: { hint?: string; data?: FaultData; cause?: unknown } = {}) {
    super(message, { cause: more.cause })
    this.name = 'Fault'
    this.code = code
    this.hint = more.hint
    this.data = more.data
  }

  toShape(): FaultShape {
    return { code: this.code, message: this.message, hint: this.hint, data: this.data }
  }

  static from(shape: FaultShape): Fault {
    return new Fault(shape.code, shape.message, { hint: shape.hint, data: shape.data })
  }
}

/** Any thrown thing as a Fault; what is not one already is a defect and keeps its message. */
export function toFault(error: unknown): Fault {
  if (error instanceof Fault) return error
  const message = error instanceof Error ? error.message : String(error)
  return new Fault('internal', message, { cause: error })
}

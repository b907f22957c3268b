import { z } from 'zod'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Session } from './session.ts'

export type Parameters = Record<string, string | number | boolean>

const propertiesSchema = z.object({
  properties: z.record(z.string(), z.looseObject({ type: z.string().optional() })).default({}),
})

/** `key=value` pairs in the types a method's schema gives them. Unknown keys are told at once; the engine checks the values. */
export function parseParameters(schema: unknown, pairs: readonly string[], format: string): Parameters {
  const parsed = propertiesSchema.safeParse(schema)
  const properties = parsed.success ? parsed.data.properties : {}
  const values: Parameters = {}
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    const key = at < 0 ? pair : pair.slice(0, at)
    const text = at < 0 ? '' : pair.slice(at + 1)
    const known = Object.hasOwn(properties, key) ? properties[key] : undefined
    const names = Object.keys(properties).join(', ') || 'none'
    if (at < 1 || !known)
      throw new Fault('bad-arguments', `${format} has no parameter "${key}".`, {
        hint: `Give key=value. Known: ${names}. lathe methods --json tells all about them.`,
        data: { field: 'param', found: pair },
      })
    values[key] = valueOf(known.type, text)
  }
  return values
}

function valueOf(type: string | undefined, text: string): Parameters[string] {
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  if ((type === 'number' || type === 'integer') && text.trim() !== '' && Number.isFinite(Number(text)))
    return Number(text)
  return text
}

/** What --type and --param say to an exporter. */
export async function conversionParameters(
  { client }: Session,
  format: string,
  { type, param = [] }: { type?: string; param?: string[] },
): Promise<Parameters> {
  const pairs = type === undefined ? param : [`type=${type}`, ...param]
  if (pairs.length === 0) return {}
  const method = (await client.call('method.list', {})).find(({ family, id }) => family === 'export' && id === format)
  return parseParameters(method?.parameters, pairs, format)
}

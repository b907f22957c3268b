import { constructFromEvents, CORE_SCHEMA, getScalarValue, parseEvents, YAMLException, EVENT_ID } from 'js-yaml'
import type { z } from 'zod'
import { badData, readText } from './files.ts'
import { descriptionSchema, type Description } from './description.ts'

const mostBytes = 2 ** 20
const mostDepth = 10
type Events = ReturnType<typeof parseEvents>

/** Line of every key and item, by its path joined with NUL: messages point at what the person wrote. */
function linesOf(source: string, events: Events): Map<string, number> {
  const lines = new Map<string, number>()
  const lineAt = (offset: number) => source.slice(0, offset).split('\n').length
  const stack: { path: string[]; mapping: boolean; key: string | null; items: number }[] = []
  const enter = (): string[] => {
    const top = stack.at(-1)
    if (!top) return []
    if (top.mapping) {
      const path = [...top.path, top.key ?? '']
      top.key = null
      return path
    }
    return [...top.path, String(top.items++)]
  }
  for (const event of events) {
    const top = stack.at(-1)
    switch (event.type) {
      case EVENT_ID.DOCUMENT:
        stack.push({ path: [], mapping: false, key: null, items: -1 })
        break
      case EVENT_ID.POP:
        stack.pop()
        break
      case EVENT_ID.MAPPING:
      case EVENT_ID.SEQUENCE: {
        // The document itself is a container of one nameless item.
        const path = top?.items === -1 ? [] : enter()
        stack.push({ path, mapping: event.type === EVENT_ID.MAPPING, key: null, items: 0 })
        break
      }
      case EVENT_ID.SCALAR:
        if (top?.mapping && top.key === null) {
          top.key = getScalarValue(source, event)
          lines.set([...top.path, top.key].join('\0'), lineAt(event.valueStart))
        } else lines.set(enter().join('\0'), lineAt(event.valueStart))
        break
      default:
        enter()
    }
  }
  return lines
}

/** The innermost known line on the way to `path`. */
function lineOf(lines: Map<string, number>, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const line = lines.get(path.slice(0, length).map(String).join('\0'))
    if (line !== undefined) return line
  }
  return 1
}

const describe = (issue: z.core.$ZodIssue): { path: PropertyKey[]; what: string } => {
  const name = issue.path.map(String).join('.')
  if (issue.code !== 'unrecognized_keys')
    return { path: issue.path, what: `${name === '' ? 'the document' : `"${name}"`}: ${issue.message}` }
  const key = issue.keys[0] ?? ''
  return { path: [...issue.path, key], what: `unknown key "${name === '' ? key : `${name}.${key}`}"` }
}

/** Parses a data description. Faults 'bad-data' naming file, line and key. */
export function parseDescription(source: string, file: string): Description {
  let value: unknown
  let events: Events
  try {
    events = parseEvents(source, { maxDepth: mostDepth })
    const documents = constructFromEvents(events, { source, schema: CORE_SCHEMA, maxAliases: 0 })
    if (documents.length !== 1) throw badData(file, `expected one YAML document, found ${documents.length}`)
    value = documents[0]
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error
    const line = (error.mark?.line ?? 0) + 1
    throw badData(file, `line ${line}: ${error.reason}`, { data: { field: `line ${line}` }, cause: error })
  }
  const parsed = descriptionSchema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const { path, what } = issue ? describe(issue) : { path: [], what: 'does not fit the format' }
  const line = lineOf(linesOf(source, events), path)
  throw badData(file, `line ${line}: ${what}`, {
    hint: 'The keys of a data description are listed in the README under "Data".',
    data: { field: path.map(String).join('.'), line },
  })
}

export const readDescription = (file: string): Description => parseDescription(readText(file, mostBytes), file)

import { z } from 'zod'
import type { MethodSummary } from '../../../src-preload/contract/methods.ts'

// What of JSON Schema the methods' parameters use; a property of another shape is left out of the form.
const propertySchema = z.object({
  type: z.string().optional(),
  enum: z.array(z.union([z.string(), z.number()])).optional(),
  default: z.json().optional(),
  description: z.string().default(''),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
})
const documentSchema = z.object({
  properties: z.record(z.string(), z.unknown()).default({}),
  required: z.array(z.string()).default([]),
})

/** Parameters that shape a plain conversion; for a planned variant its plan has said all that. */
export const conversionOnly = ['type', 'output', 'embedding', 'pure', 'weighted', 'bits', 'groupSize', 'symmetric']

interface Base {
  name: string
  title: string
  help: string
  isRequired: boolean
}
export type Field =
  | (Base & { kind: 'choice'; choices: string[]; preset: string | null })
  | (Base & { kind: 'number'; min: number | null; max: number | null; isWhole: boolean; preset: number | null })
  | (Base & { kind: 'switch'; preset: boolean })
  | (Base & { kind: 'text'; preset: string | null })

export type Values = Record<string, string | number | boolean>

/** 'splitBytes' -> 'Split bytes'. */
const titleOf = (name: string): string => {
  const words = name
    .replace(/[-_]/g, ' ')
    .replace(/([a-z\d])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`)
  return words.charAt(0).toUpperCase() + words.slice(1)
}

function fieldOf(name: string, value: unknown, isRequired: boolean): Field | null {
  const parsed = propertySchema.safeParse(value)
  if (!parsed.success) return null
  const { type, enum: choices, default: preset, description: help, minimum, maximum } = parsed.data
  const base = { name, title: titleOf(name), help, isRequired }
  if (choices) {
    const known = typeof preset === 'string' || typeof preset === 'number' ? String(preset) : null
    return { ...base, kind: 'choice', choices: choices.map(String), preset: known }
  }
  if (type === 'boolean') return { ...base, kind: 'switch', preset: preset === true }
  if (type === 'string') return { ...base, kind: 'text', preset: typeof preset === 'string' ? preset : null }
  if (type !== 'number' && type !== 'integer') return null
  const bound = (limit: number | undefined): number | null =>
    limit !== undefined && Math.abs(limit) < Number.MAX_SAFE_INTEGER ? limit : null
  return {
    ...base,
    kind: 'number',
    min: bound(minimum),
    max: bound(maximum),
    isWhole: type === 'integer',
    preset: typeof preset === 'number' ? preset : null,
  }
}

/** The form of a method's parameters. `omit`: what is asked for elsewhere. */
export function fieldsOf({ parameters }: Pick<MethodSummary, 'parameters'>, omit: readonly string[] = []): Field[] {
  const document = documentSchema.safeParse(parameters)
  if (!document.success) return []
  const { properties, required } = document.data
  return Object.entries(properties).flatMap(([name, value]) => {
    const field = omit.includes(name) ? null : fieldOf(name, value, required.includes(name))
    return field ?? []
  })
}

/** Only what differs from the presets: a method's own defaults stay its own. */
export const changedValues = (fields: readonly Field[], values: Values): Values =>
  Object.fromEntries(
    fields.flatMap(({ name, preset }) => {
      const value = values[name]
      return value === undefined || value === '' || value === preset ? [] : [[name, value]]
    }),
  )

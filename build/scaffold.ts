import type { MethodFamily } from '../src-preload/contract/methods.ts'

/** Texts of a new method: its file, its family's registry with one more line, and its first test. */
export interface Scaffold {
  method: string
  registry: string
  test: string
}

export const camelCase = (id: string): string =>
  id.replaceAll(/-(\w)/g, (_match, letter: string) => letter.toUpperCase())

/** A registry's text with one more import, of `name` from `file` (relative to it), and one more entry in its list of names. */
export function addToRegistry(registry: string, name: string, file: string): string {
  if (registry.includes(`'${file}'`)) throw new Error(`The registry already holds ${file}.`)
  const list = /= \[([^\]]*)\]/.exec(registry)
  if (!list) throw new Error('The registry has no list of the form `= [a, b]`.')
  const entries = (list[1] ?? '').split(',').map((entry) => entry.trim())
  const longer = `= [${[...entries.filter((entry) => entry !== ''), name].join(', ')}]`
  const imports = [...registry.matchAll(/^import .*\n/gm)].at(-1)
  const at = imports ? imports.index + imports[0].length : 0
  const listed = registry.replace(list[0], longer)
  return `${listed.slice(0, at)}import { ${name} } from '${file}'\n${listed.slice(at)}`
}

/** Where a family's methods lie, below src-main/engine: the folder, that of its registry.ts, that of its define.ts. */
export interface Place {
  folder: string
  registry: string
  define: string
}

/** Rewritings of every kind stand in one list; what compresses a layer shares one shape. */
export const placeOf = (family: MethodFamily): Place => {
  if (family === 'activate' || family === 'rewrite')
    return { folder: family === 'rewrite' ? 'graph/rewrites' : family, registry: 'prepare', define: 'prepare' }
  const shares = family === 'sparsify' || family === 'factorize'
  return { folder: family, registry: family, define: shares ? 'quantize' : family }
}

/** The define function of a family, as its define.ts names it. */
export const definePattern = (family: MethodFamily): RegExp =>
  placeOf(family).define === family || family === 'activate' || family === 'rewrite'
    ? /export (?:function|const) (define\w+)/
    : /export (?:function|const) (defineCompressor)/

const up = (folder: string): string => '../'.repeat(folder.split('/').length)
const from = (folder: string, other: string): string => (folder === other ? '.' : `${up(folder)}${other}`)

/** What each family's method does, as its define.ts types it; `refuse` throws until it is written. */
const members = (family: MethodFamily, refuse: string): string => {
  if (family === 'allocate') return `  knows: [],\n  solve() {${refuse}  },`
  if (family === 'score') return `  per: () => 'layer',\n  values: () => [],\n  start() {${refuse}  },`
  if (family === 'export')
    return `  family: 'export',\n  extension: '',\n  refuses: () => null,\n  planBytes() {${refuse}  },\n  write() {${refuse}  },`
  if (family === 'prepare' || family === 'activate' || family === 'rewrite')
    return `  family: '${family}',\n  refuses: () => null,\n  apply() {${refuse}  },`
  if (family === 'sparsify' || family === 'factorize') return `  family: '${family}',\n  apply() {${refuse}  },`
  return `  apply() {${refuse}  },`
}

/**
 * @param family folder of the engine
 * @param define the family's own define function, as 'defineQuantizer'
 * @param list name of the registry's list, as 'quantizers'
 */
export function scaffold(family: MethodFamily, id: string, define: string, list: string, registry: string): Scaffold {
  const name = camelCase(id)
  const { folder, registry: home, define: shape } = placeOf(family)
  const root = `${up(folder)}../..`
  const method = `// Title.
//   Authors year, "Paper", section
//   formula
// Cost. Needs.
import { z } from 'zod'
import { Fault } from '${root}/src-preload/contract/fault.ts'
import { ${define} } from '${from(folder, shape)}/define.ts'

export const ${name} = ${define}({
  id: '${id}',
  title: '',
  summary: '',
  cite: '',
  formula: '',
  cost: '',
  needs: ['weights'],
  version: 1,
  params: z.object({}),
${members(family, `\n    throw new Fault('unsupported', '${id} is not written yet.')\n`)}
})
`
  const test = `import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { describeMethod } from '${root}/src-main/engine/method.ts'
import { ${list} } from '${root}/src-main/engine/${home}/registry.ts'
import { ${name} } from '${root}/src-main/engine/${folder}/${id}.ts'

test('${id} is listed and says what it is', () => {
  expect(${list}.filter((method) => method.id === '${id}')).toEqual([${name}])
  const { title, summary, cite, formula, cost } = describeMethod(${name})
  for (const words of [title, summary, cite, formula, cost]) expect(words).not.toBe('')
})

test('${id} is written', () => {
  const file = new URL('${root}/src-main/engine/${folder}/${id}.ts', import.meta.url)
  expect(readFileSync(file, 'utf8')).not.toContain('is not written yet')
})
`
  return { method, registry: addToRegistry(registry, name, `${from(home, folder)}/${id}.ts`), test }
}

/** The next migration of the project store, numbered by tens, and the registry that lists it. */
export function migration(id: string, registry: string): { file: string; text: string; registry: string } {
  const last = Math.max(0, ...[...registry.matchAll(/'\.\/(\d{4})-/g)].map(([, digits]) => Number(digits)))
  const version = last + 10
  const file = `${String(version).padStart(4, '0')}-${id}.ts`
  const name = camelCase(id)
  const text = `import type { Migration } from './migration.ts'

export const ${name}: Migration = {
  version: ${version},
  title: '${id.replaceAll('-', ' ')}',
  sql: \`
\`,
}
`
  return { file, text, registry: addToRegistry(registry, name, `./${file}`) }
}

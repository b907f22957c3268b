import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { basename, extname, resolve } from 'node:path'
import { Fault } from '../../src-preload/contract/fault.ts'
import { type ImportedFront, importedFrontSchema, type ImportedPoint } from '../../src-preload/contract/results.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import { readProbes, removeProbe, saveProbe } from '../store/probes.ts'
import type { AppContext } from './context.ts'
import { readFrontFile } from './front-file.ts'
import { planModel } from './plan-model.ts'
import { measuredDots } from './front-points.ts'
import { type OpenProject, type Subject, subjectOf } from './projects.ts'

// Fronts of other places are kept in the project they are compared in: they are there when the other folder is not.

const KIND = 'imported-front'
const mostBytes = 8 * 2 ** 20

const place = (subject: Subject) => ({ checkpoint: subject.row.checkpoint, data: '', kind: KIND, version: 1 })

export const importedFronts = (project: OpenProject, subject: Subject): ImportedFront[] =>
  [...readProbes(project.store.read, place(subject), importedFrontSchema).values()].sort((a, b) =>
    a.addedAt.localeCompare(b.addedAt),
  )

/** The same place again takes the place of what it said before. */
const idOf = (from: string): string => createHash('sha256').update(from).digest('hex').slice(0, 16)

function keep(project: OpenProject, front: ImportedFront): ImportedFront {
  const value = importedFrontSchema.parse(front)
  saveProbe(project.store.write, { ...place(subjectOf(project)), key: front.id, value })
  return value
}

/** What a person must know before comparing: another network, other data. */
function differences(subject: Subject, other: { checkpoint: string | null; data: string | null }): string[] {
  return [
    ...(other.checkpoint !== null && other.checkpoint !== subject.row.checkpoint ? ['Another checkpoint.'] : []),
    ...(other.data !== null && other.data !== subject.data
      ? ['Judged on other data: losses may be compared, perplexity and accuracy may not.']
      : []),
  ]
}

async function compareWith(context: AppContext, project: OpenProject, folder: string): Promise<ImportedFront> {
  const from = resolve(folder)
  if (from === project.folder)
    throw new Fault('bad-arguments', 'This is the project itself.', {
      hint: 'Choose another one.',
      data: { file: from },
    })
  const other = context.projects.get(from)
  const model = await planModel(context, other)
  const points = measuredDots(other, model).map(({ label, bytes, averageBits, kind, metrics }): ImportedPoint => ({
    label,
    bytes,
    averageBits,
    kind,
    metrics,
  }))
  const { row, data, checkpoint } = subjectOf(other)
  if (points.length === 0)
    throw new Fault('bad-input', `Nothing is measured in ${from} yet.`, {
      hint: 'Measure a front there first.',
      data: { file: from },
    })
  const said = { checkpoint: row.checkpoint, data: data === '' ? null : data }
  return keep(project, {
    ...{ id: idOf(from), title: row.name || checkpoint.summary.name, from, ...said },
    ...{ addedAt: new Date().toISOString(), points, notices: differences(subjectOf(project), said) },
  })
}

function importFile(project: OpenProject, given: string): ImportedFront {
  const from = resolve(given)
  const stat = statSync(from, { throwIfNoEntry: false })
  if (!stat?.isFile()) throw new Fault('not-found', `${from}: there is no such file.`, { data: { file: from } })
  if (stat.size > mostBytes)
    throw new Fault('too-large', `${from}: ${stat.size} bytes, a front has at most ${mostBytes}.`, {
      data: { file: from, expected: `at most ${mostBytes} bytes`, found: `${stat.size} bytes` },
    })
  const { points, checkpoint, data, notices } = readFrontFile(from, readFileSync(from, 'utf8'))
  const said = { checkpoint, data }
  return keep(project, {
    ...{ id: idOf(from), title: basename(from, extname(from)), from, ...said },
    addedAt: new Date().toISOString(),
    points,
    notices: [...differences(subjectOf(project), said), ...notices],
  })
}

export const frontImportHandlers = (
  context: AppContext,
): Pick<Handlers, 'front.compare' | 'front.import' | 'front.forget'> => ({
  'front.compare': ({ project, folder }) => compareWith(context, context.projects.get(project), folder),
  'front.import': ({ project, path }) => importFile(context.projects.get(project), path),
  'front.forget': ({ project, id }) => {
    const open = context.projects.get(project)
    if (!removeProbe(open.store.write, { ...place(subjectOf(open)), key: id }))
      throw new Fault('not-found', `No front "${id}" is kept here.`, { data: { field: 'id', found: id } })
    return {}
  },
})

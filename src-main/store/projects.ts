import { deviceSchema, type DeviceId } from '../../src-preload/contract/project.ts'
import { type Methods, methodsSchema, plainMethods } from '../../src-preload/contract/plan.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { ReadDb, WriteDb } from './database.ts'
import { get, nowText, run } from './query.ts'

export interface ProjectRow {
  name: string
  device: DeviceId
  checkpoint: string // fingerprint
  dataSet: number | null
  format: string | null // export format plans are made for; null: never chosen
  methods: Methods
}

/** A project folder holds exactly one project. */
export function insertProject(db: WriteDb, args: { name: string; device: DeviceId; checkpoint: string }): void {
  run(
    db,
    `INSERT INTO projects (id, name, device, checkpoint, data_set, created_at)
     VALUES (1, :name, :device, :checkpoint, NULL, :createdAt)`,
    { ...args, createdAt: nowText() },
  )
}

export function readProject(db: ReadDb): ProjectRow {
  const row = get<Omit<ProjectRow, 'device' | 'methods'> & { device: string; methods: string | null }>(
    db,
    'SELECT name, device, checkpoint, data_set AS dataSet, format, methods FROM projects WHERE id = 1',
  )
  const device = deviceSchema.shape.id.safeParse(row?.device)
  if (!row || !device.success)
    throw new Fault('bad-input', `${db.name} holds no project.`, {
      hint: 'It was probably left by a crash while it was made. Delete the folder and open the checkpoint again.',
      data: { file: db.name, field: row ? 'projects.device' : 'projects' },
    })
  return { ...row, device: device.data, methods: methodsOf(row.methods) }
}

const methodsOf = (json: string | null): Methods => {
  const parsed = methodsSchema.safeParse(json === null ? null : JSON.parse(json))
  return parsed.success ? parsed.data : plainMethods
}

export const setDevice = (db: WriteDb, args: { device: DeviceId }): number =>
  run(db, 'UPDATE projects SET device = :device WHERE id = 1', args)

export const setFormat = (db: WriteDb, args: { format: string }): number =>
  run(db, 'UPDATE projects SET format = :format WHERE id = 1', args)

export const setMethods = (db: WriteDb, { methods }: { methods: Methods }): number =>
  run(db, 'UPDATE projects SET methods = :methods WHERE id = 1', { methods: JSON.stringify(methods) })

export const setDataSet = (db: WriteDb, args: { dataSet: number | null }): number =>
  run(db, 'UPDATE projects SET data_set = :dataSet WHERE id = 1', args)

/** Another fingerprint only when the checkpoint itself was exchanged; measurements stay with the old one. */
export const setCheckpoint = (db: WriteDb, args: { checkpoint: string }): number =>
  run(db, 'UPDATE projects SET checkpoint = :checkpoint WHERE id = 1', args)

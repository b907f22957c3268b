import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, test } from 'vitest'
import type { Job } from '../../src-preload/contract/job.ts'
import { useChooser } from '../../src-renderer/stores/chooser.ts'
import { useJobs } from '../../src-renderer/stores/jobs.ts'
import { usePlan } from '../../src-renderer/stores/plan.ts'
import { useProject } from '../../src-renderer/stores/project.ts'
import { useSettings } from '../../src-renderer/stores/settings.ts'
import { useToasts } from '../../src-renderer/stores/toasts.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import { emptyProject } from './helpers/double.ts'

beforeEach(() => {
  localStorage.clear()
  setActivePinia(createPinia())
})

const job = (id: string, more: Partial<Job> = {}): Job => ({
  id,
  project: emptyProject().folder,
  kind: 'run',
  title: id,
  state: 'running',
  unitsDone: 0,
  unitsTotal: 1,
  progress: 0,
  step: '',
  elapsedMs: 0,
  remainingMs: null,
  notices: [],
  fault: null,
  result: null,
  ...more,
})

test('a drag is one step of the history, however many moves it has', () => {
  const plan = usePlan()
  for (const bits of [4.1, 4.2, 4.3]) plan.drag({ bits })
  plan.settle()
  expect(plan.draft.budget).toEqual({ bits: 4.3 })
  plan.undo()
  expect(plan.draft.budget).toEqual({ bits: 4 })
  plan.redo()
  expect(plan.draft.budget).toEqual({ bits: 4.3 })
})

test('letting go where it was grabbed is no step', () => {
  const plan = usePlan()
  plan.drag({ bits: 5 })
  plan.drag({ bits: 4 })
  plan.settle()
  expect(plan.past).toEqual([])
})

test('locks undo one by one, and a new step forgets what was undone', () => {
  const plan = usePlan()
  plan.lock('a', 'rtn-8')
  plan.lock('b', 'keep')
  plan.undo()
  expect(plan.draft.locked).toEqual({ a: 'rtn-8' })
  plan.unlock('a')
  expect(plan.future).toEqual([])
  plan.undo()
  expect(plan.lockedCount).toBe(1)
  plan.reset()
  expect(plan.draft).toEqual({ budget: { bits: 4 }, locked: {} })
  plan.undo()
  expect(plan.draft.locked).toEqual({ a: 'rtn-8' })
})

test('a snapshot of another folder never replaces the open project', () => {
  const store = useProject()
  store.open(emptyProject())
  store.refresh({ ...emptyProject(), folder: '/elsewhere', name: 'other' })
  expect(store.project?.name).toBe('novels-5m')
  store.refresh({ ...emptyProject(), name: 'renamed' })
  expect(store.project?.name).toBe('renamed')
})

test('opening another project drops what was known of the last', () => {
  const store = useProject()
  store.open(emptyProject())
  store.setOptions([])
  store.chooseLayer('lm_head.weight')
  store.open({ ...emptyProject(), folder: '/elsewhere' })
  expect(store.options).toBeNull()
  expect(store.layer).toBe('model.embed_tokens.weight')
})

test('the revision moves with measurements, not with every snapshot', () => {
  const store = useProject()
  store.open(emptyProject())
  const before = store.revision
  store.refresh({ ...emptyProject(), device: 'webgpu' })
  expect(store.revision).toBe(before)
  store.refresh({ ...emptyProject(), sensitivity: { measured: 3, total: 406, samples: 8, source: 'x' } })
  expect(store.revision).not.toBe(before)
})

test('jobs are told apart by project and by whether they live', () => {
  useProject().open(emptyProject())
  const jobs = useJobs()
  jobs.set([
    job('a', { state: 'done' }),
    job('b', { kind: 'front' }),
    job('c', { project: '/elsewhere', state: 'queued' }),
  ])
  expect(jobs.liveHere.map(({ id }) => id)).toEqual(['b'])
  expect(jobs.ended.map(({ id }) => id)).toEqual(['a'])
  expect(jobs.live.length).toBe(2)
  expect(jobs.liveOf('front')?.id).toBe('b')
  expect(jobs.liveOf('run')).toBeNull()
})

test('the theme is remembered, and nonsense in storage is ignored', () => {
  useSettings().setTheme('dark')
  setActivePinia(createPinia())
  expect(useSettings().theme).toBe('dark')
  localStorage.setItem('lathe.theme', 'purple')
  setActivePinia(createPinia())
  expect(useSettings().theme).toBe('system')
})

test('the chooser answers a question once; a new question cancels the old', async () => {
  const chooser = useChooser()
  const first = chooser.ask('checkpoint')
  const second = chooser.ask('data')
  chooser.reply('/data')
  chooser.reply('/ignored')
  expect(await first).toBeNull()
  expect(await second).toBe('/data')
})

test('a cancelled action is no error to show', () => {
  const toasts = useToasts()
  toasts.showError(new Fault('cancelled', 'Cancelled.'))
  expect(toasts.all).toEqual([])
  toasts.showError(new Fault('disk', 'The disk is full.', { hint: 'Free some space.' }))
  expect(toasts.all[0]).toMatchObject({ tone: 'bad', title: 'The disk is full.', text: 'Free some space.' })
})

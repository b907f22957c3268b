import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { ChannelName, Result } from '../../src-preload/contract/channels.ts'
import type { Job } from '../../src-preload/contract/job.ts'
import type { Reply } from '../../src-preload/contract/reply.ts'
import { sampleOf } from '../../src-main/app/samples.ts'
import { createApp } from '../../src-main/app/create.ts'

export const { checkpoint, data } = sampleOf('vision')

/** An app with the vision sample in a project, spoken to through the one dispatcher that all doors use. */
export async function openContract() {
  const home = mkdtempSync(join(tmpdir(), 'lathe-contract-'))
  mkdirSync(home, { recursive: true })
  const picked: string[] = []
  const finished = new Set<string>() // jobs that were waited for
  const snapshots: { event: string; snapshot: unknown }[] = []
  const dialogs = {
    pick: (purpose: string) => (picked.push(purpose), Promise.resolve('/chosen')),
    reveal: (path: string) => (picked.push(path), Promise.resolve()),
  }
  const app = createApp({ home, door: 'cli', dialogs })
  app.onEvent((event, snapshot) => snapshots.push({ event, snapshot }))

  const invoke = (channel: string, args: unknown, trusted = true): Promise<Reply> =>
    app.dispatch(channel, args, { door: 'cli', trusted })
  async function call<N extends ChannelName>(channel: N, args: unknown): Promise<Result<N>> {
    const reply = await invoke(channel, args)
    if (!reply.ok) throw new Error(`${channel}: ${reply.fault.code}: ${reply.fault.message}`)
    return reply.result as Result<N>
  }
  const settled = async (id: string): Promise<Job> => {
    for (;;) {
      const job = (await call('job.list', {})).find((candidate) => candidate.id === id)
      if (job && job.state !== 'queued' && job.state !== 'running') {
        finished.add(id)
        return job
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const completes = async (started: unknown): Promise<void> => {
    const job = await settled((started as { job: string }).job)
    expect(job).toMatchObject({ state: 'done', fault: null, progress: 1 })
  }
  const project = (await call('project.create', { checkpoint, data })).folder
  const close = async (): Promise<void> => {
    await app.close()
    rmSync(home, { recursive: true, force: true })
  }
  return { home, app, project, picked, finished, snapshots, invoke, call, settled, completes, close }
}

import { expect, test } from 'vitest'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import { reasonOf, withFallback, type LiveSession } from '../../../src-main/engine/runtime/fallback.ts'

/** A device whose opens and runs fail as told; notes what was done to it. */
function rig(plan: { open?: number; run?: number }) {
  const log: string[] = []
  const notices: string[] = []
  const left = { open: plan.open ?? 0, run: plan.run ?? 0 }
  const open = (device: DeviceId): Promise<LiveSession> => {
    log.push(`open ${device}`)
    if (device !== 'cpu' && left.open-- > 0) return Promise.reject(new Error('no adapter'))
    return Promise.resolve({
      inputNames: ['x'],
      outputNames: ['y'],
      run: () => {
        log.push(`run ${device}`)
        return device !== 'cpu' && left.run-- > 0 ? Promise.reject(new Error('device lost')) : Promise.resolve({})
      },
      release: () => {
        log.push(`release ${device}`)
        return Promise.resolve()
      },
    })
  }
  return { log, notices, open, notify: (notice: string) => notices.push(notice) }
}

test('one failure at opening is retried on the same device, in silence', async () => {
  const { open, notify, log, notices } = rig({ open: 1 })
  const session = await withFallback(open, 'webgpu', notify)
  expect(session.device).toBe('webgpu')
  expect(log).toEqual(['open webgpu', 'open webgpu'])
  expect(notices).toEqual([])
})

test('two failures at opening go to the CPU and say why', async () => {
  const { open, notify, notices } = rig({ open: 2 })
  const session = await withFallback(open, 'cuda', notify)
  expect(session.device).toBe('cpu')
  expect(notices).toEqual(['CUDA failed twice (no adapter); this step runs on the CPU.'])
})

test('a run that fails gets a fresh session; a second failure moves it to the CPU for good', async () => {
  const { open, notify, log, notices } = rig({ run: 2 })
  const session = await withFallback(open, 'webgpu', notify)
  await session.run({})
  await session.run({})
  expect(log).toEqual([
    'open webgpu',
    'run webgpu',
    'release webgpu',
    'open webgpu',
    'run webgpu',
    'release webgpu',
    'open cpu',
    'run cpu',
    'run cpu',
  ])
  expect(notices).toEqual(['WebGPU failed twice (device lost); this step runs on the CPU.'])
})

test('the CPU has no fallback, and a wrong call is not retried anywhere', async () => {
  let opened = 0
  const failing = (fault: Error) => () => {
    opened++
    return Promise.reject<LiveSession>(fault)
  }
  const silent = () => expect.unreachable('nothing to say')
  await expect(withFallback(failing(new Error('no')), 'cpu', silent)).rejects.toThrow('no')
  await expect(withFallback(failing(new Fault('bad-arguments', 'wrong')), 'webgpu', silent)).rejects.toThrow('wrong')
  expect(opened).toBe(2)
})

test('reasons are one line without source positions', () => {
  expect(reasonOf(new Error('lambda() status == ok was false. Failed to get an adapter\nstack'))).toBe(
    'Failed to get an adapter',
  )
  expect(reasonOf('x'.repeat(1000))).toHaveLength(300)
})

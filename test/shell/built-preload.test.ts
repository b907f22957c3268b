import { EventEmitter } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createContext, runInContext } from 'node:vm'
import { beforeAll, expect, test } from 'vitest'
import { ensureBuilt } from '../../build/outputs.ts'
import { channels, events } from '../../src-preload/contract/channels.ts'

// The built preload in a bare context, as a sandboxed renderer gives it: `require` knows electron and nothing else.
const root = join(import.meta.dirname, '../..')
let script = ''
beforeAll(async () => {
  ensureBuilt(root)
  script = readFileSync(join(root, 'out/preload/index.cjs'), 'utf8')
}, 120_000)

interface Bridge {
  door: string
  invoke(channel: string, args: unknown): Promise<unknown>
  subscribe(event: string, listener: (...heard: unknown[]) => void): () => void
  pathOf(file: unknown): string
}

function load() {
  const invoked: unknown[][] = []
  const exposed = new Map<string, Bridge>()
  const required: string[] = []
  const ipc = new EventEmitter()
  const electron = {
    contextBridge: { exposeInMainWorld: (name: string, api: Bridge) => void exposed.set(name, api) },
    ipcRenderer: Object.assign(ipc, {
      invoke: async (...args: unknown[]) => {
        invoked.push(args)
        return { ok: true, result: 'answer' }
      },
    }),
    webUtils: { getPathForFile: (file: { at: string }) => file.at },
  }
  const require = (name: string): unknown => {
    required.push(name)
    if (name !== 'electron') throw new Error(`module not found: ${name}`)
    return electron
  }
  runInContext(script, createContext({ require, exports: {}, module: { exports: {} } }))
  const bridge = exposed.get('lathe')
  if (!bridge) throw new Error('the preload exposed no lathe')
  return { bridge, invoked, exposed, required, ipc }
}

test('exposes one bridge of four members and needs electron alone', () => {
  const { bridge, exposed, required } = load()
  expect([...exposed.keys()]).toEqual(['lathe'])
  expect(Object.keys(bridge).sort()).toEqual(['door', 'invoke', 'pathOf', 'subscribe'])
  expect(bridge.door).toBe('electron')
  expect(new Set(required)).toEqual(new Set(['electron']))
  expect(bridge.pathOf({ at: '/models/a.onnx' })).toBe('/models/a.onnx')
})

test('passes every channel of the contract on, and no other', async () => {
  const { bridge, invoked } = load()
  for (const channel of Object.keys(channels)) await bridge.invoke(channel, { at: 1 })
  expect(invoked).toEqual(Object.keys(channels).map((channel) => ['lathe:invoke', channel, { at: 1 }]))
  for (const stranger of ['no.such', '__proto__', 'toString', 'lathe:invoke', ''])
    await expect(bridge.invoke(stranger, {})).rejects.toThrow('Lathe has no')
  expect(invoked).toHaveLength(Object.keys(channels).length)
})

test('hears the events of the contract, without Electron’s own event, until it unsubscribes', () => {
  const { bridge, ipc } = load()
  const heard: unknown[][] = []
  for (const event of Object.keys(events)) bridge.subscribe(event, () => undefined)()
  const stop = bridge.subscribe('jobs', (...args) => heard.push(args))
  expect(() => bridge.subscribe('lathe:event', () => undefined)).toThrow('Lathe has no')
  ipc.emit('lathe:event', { sender: 'electron' }, 'project', { name: 'other' })
  ipc.emit('lathe:event', { sender: 'electron' }, 'jobs', [1])
  stop()
  ipc.emit('lathe:event', { sender: 'electron' }, 'jobs', [2])
  expect(heard).toEqual([[[1]]])
  expect(ipc.listenerCount('lathe:event')).toBe(0)
})

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ensureBuilt } from '../../build/outputs.ts'
import type { Job } from '../../src-preload/contract/job.ts'
import type { Project } from '../../src-preload/contract/project.ts'
import type { Reply } from '../../src-preload/contract/reply.ts'
import { type Shell, startShell } from './double/start.ts'

// The built main bundle on a double of the `electron` module, in a process of its own.
const root = join(import.meta.dirname, '../..')
const bundle = join(root, 'out/main/index.js')
const own = 'lathe://app/'
let shell: Shell
beforeAll(async () => {
  ensureBuilt(root)
  shell = await startShell(bundle)
}, 120_000)
afterAll(() => shell.close())

test('one window, with everything a page could be given refused', async () => {
  const { windows, sandboxed, switches } = await shell.act('state')
  expect(windows).toHaveLength(1)
  const { options, loads } = windows[0] ?? {}
  expect(loads).toEqual([own])
  expect(options).toMatchObject({ show: false, minWidth: 960, minHeight: 640, backgroundColor: '#141517' })
  const preferences = options?.webPreferences as Record<string, unknown>
  expect(preferences).toEqual({
    preload: join(root, 'out/preload/index.cjs'),
    contextIsolation: true,
    sandbox: true,
    nodeIntegration: false,
    nodeIntegrationInWorker: false,
    nodeIntegrationInSubFrames: false,
    webSecurity: true,
    allowRunningInsecureContent: false,
    experimentalFeatures: false,
    webviewTag: false,
    navigateOnDragDrop: false,
    safeDialogs: true,
    spellcheck: false,
    devTools: true,
  })
  expect(existsSync(String(preferences.preload))).toBe(true)
  expect(sandboxed).toBe(true)
  expect(switches).toContain('disable-background-networking')
})

test('the scheme is registered before use and serves the built window only', async () => {
  const { schemes, schemeHandlers } = await shell.act('state')
  expect(schemes).toEqual([
    { scheme: 'lathe', privileges: { standard: true, secure: true, supportFetchAPI: true, codeCache: true } },
  ])
  expect(schemeHandlers).toEqual(['lathe'])
  const index = await shell.act('fetch', own)
  expect(index.status).toBe(200)
  expect(index.body).toContain('<title>Lathe</title>')
  expect(index.headers['content-type']).toBe('text/html; charset=utf-8')
  expect(index.headers['content-security-policy']).toContain("default-src 'none'; script-src 'self';")
  for (const [, script] of index.body.matchAll(/src="\.?\/([^"]+\.js)"/g))
    expect((await shell.act('fetch', own + script)).status).toBe(200)
  for (const bad of [`${own}..%2fmain/index.js`, `${own}%2e%2e/main/index.js`, 'lathe://other/', `${own}nothing.js`])
    expect((await shell.act('fetch', bad)).status).toBe(404)
  expect((await shell.act('fetch', own, 'POST')).status).toBe(404)
})

test('calls reach Lathe from our page, and from nobody else', async () => {
  const { handlers } = await shell.act('state')
  expect(handlers).toEqual(['lathe:invoke'])
  expect(await shell.act('invoke', 'app.info', {})).toMatchObject({ ok: true, result: { door: 'electron' } })
  expect(await shell.act('invoke', 'app.info', {}, { url: `${own}#/plan` })).toMatchObject({ ok: true })
  const refused = { ok: false, fault: { code: 'forbidden' } }
  expect(await shell.act('invoke', 'app.info', {}, { frame: 'inner' })).toMatchObject(refused)
  expect(await shell.act('invoke', 'app.info', {}, { frame: 'gone' })).toMatchObject(refused)
  const strangers = [
    'https://evil.example/',
    'file:///etc/passwd',
    'lathe://app.evil/',
    'lathe://app/other.html',
    'about:blank',
    '',
  ]
  for (const url of strangers) expect(await shell.act('invoke', 'app.info', {}, { url })).toMatchObject(refused)
  const back = { url: own }
  expect(await shell.act('invoke', 'no.such', {}, back)).toMatchObject({ ok: false, fault: { code: 'bad-arguments' } })
  expect(await shell.act('invoke', 'files.list', { folder: 7 })).toMatchObject({
    ok: false,
    fault: { code: 'bad-arguments' },
  })
})

test('no permission, no request off the machine, no download', async () => {
  const names = ['media', 'geolocation', 'notifications', 'openExternal', 'clipboard-read', 'fileSystem']
  const denied = await shell.act('permissions', names, own, true)
  expect(denied).toHaveLength(2 * names.length + 2)
  expect(denied.every((each) => each === false)).toBe(true)
  const copy = ['clipboard-sanitized-write'] // the one exception: the page's own copy buttons
  expect((await shell.act('permissions', copy, own, true)).slice(0, 2)).toEqual([true, true])
  expect((await shell.act('permissions', copy, own, false)).slice(0, 2)).toEqual([false, false])
  expect((await shell.act('permissions', copy, 'https://evil.example/', true)).slice(0, 2)).toEqual([false, false])
  expect(await shell.act('isCancelled', `${own}index.html`)).toBe(false)
  for (const url of [
    'https://example.com/',
    'http://localhost:5173/',
    'ws://127.0.0.1/',
    'file:///etc/passwd',
    'lathe://other/',
  ])
    expect(await shell.act('isCancelled', url)).toBe(true)
  expect(await shell.act('isDownloadStopped')).toBe(true)
})

test('the page stays where it is; only documentation leaves, by the system browser', async () => {
  expect(await shell.act('navigate', 'will-frame-navigate', own)).toBe(false)
  for (const url of ['https://arxiv.org/', 'file:///dropped.onnx', 'javascript:alert(1)', 'lathe://app/other.html'])
    expect(await shell.act('navigate', 'will-frame-navigate', url)).toBe(true)
  expect(await shell.act('navigate', 'will-frame-navigate', own, false)).toBe(true)
  expect(await shell.act('navigate', 'will-redirect', own)).toBe(true)
  expect(await shell.act('navigate', 'will-attach-webview', own)).toBe(true)

  const asked = [
    'https://arxiv.org/abs/2210.17323',
    'http://arxiv.org/',
    'https://arxiv.org.evil.example/',
    'https://user@github.com/',
    'https://github.com:8443/',
    'file:///bin/sh',
    'smb://host/share',
    own,
  ]
  for (const url of asked) expect(await shell.act('newWindow', url)).toEqual({ action: 'deny' })
  expect((await shell.act('state')).opened).toEqual(['https://arxiv.org/abs/2210.17323'])
})

test('native dialogs answer files.pick and files.reveal', async () => {
  const pick = (purpose: string) => shell.act('invoke', 'files.pick', { purpose })
  expect(await pick('checkpoint')).toEqual({ ok: true, result: { supported: true, path: null } })
  await shell.act('world', { openDialog: { canceled: false, filePaths: ['/models/a.onnx'] } })
  await shell.act('world', { saveDialog: { canceled: false, filePath: '/out/b.onnx' } })
  expect(await pick('checkpoint')).toEqual({ ok: true, result: { supported: true, path: '/models/a.onnx' } })
  expect(await pick('project')).toEqual({ ok: true, result: { supported: true, path: '/models/a.onnx' } })
  expect(await pick('export')).toEqual({ ok: true, result: { supported: true, path: '/out/b.onnx' } })
  const file = join(root, 'package.json')
  expect(await shell.act('invoke', 'files.reveal', { path: file })).toEqual({ ok: true, result: { supported: true } })
  const { dialogs, revealed } = await shell.act('state')
  expect(dialogs.map(({ kind }) => kind)).toEqual(['open', 'open', 'open', 'save'])
  expect(dialogs[2]?.options).toMatchObject({ properties: ['openDirectory'] })
  expect(revealed).toEqual([file])
})

test('the menu opens checkpoints and tells the page', async () => {
  const { menus } = await shell.act('state')
  const menu = menus.at(-1) as { label?: string; role?: string; submenu?: { accelerator?: string; role?: string }[] }[]
  expect(menu.map(({ label, role }) => label ?? role)).toEqual(['&File', 'editMenu', '&View', 'windowMenu', 'help'])
  expect(menu[0]?.submenu?.map(({ accelerator }) => accelerator)).toContain('CmdOrCtrl+O')
  await shell.act('click', '&File', 'Open Checkpoint…')
  await shell.act('click', '&File', 'Open Project…')
  const { sent } = await shell.act('state')
  expect(sent.filter(([, event]) => event === 'open')).toEqual([
    ['lathe:event', 'open', { purpose: 'checkpoint', path: '/models/a.onnx' }],
    ['lathe:event', 'open', { purpose: 'project', path: '/models/a.onnx' }],
  ])
})

test('a second start brings the window forward and hands over its file', async () => {
  const { windows, locks } = await shell.act('state')
  expect(locks).toBe(1)
  await shell.act('emitApp', 'second-instance', ['electron', '.', '--flag', 'package.json'], root)
  const after = await shell.act('state')
  expect(after.windows).toHaveLength(1)
  expect(after.windows[0]?.focused).toBe((windows[0]?.focused ?? 0) + 1)
  expect(after.sent.at(-1)).toEqual([
    'lathe:event',
    'open',
    { purpose: 'checkpoint', path: join(root, 'package.json') },
  ])
})

test('a job in the bundled engine keeps the machine awake and reaches the page', async () => {
  const created = (await shell.act('invoke', 'project.createSample', { sample: 'vision' })) as Reply
  expect(created).toMatchObject({ ok: true })
  const project = created.ok ? (created.result as Project).folder : ''
  const started = await shell.act('invoke', 'evaluate.start', { project, variant: null })
  expect(started).toMatchObject({ ok: true })
  const ended = async (): Promise<unknown> => {
    const { sent } = await shell.act('state')
    const jobs = sent.findLast(([, event]) => event === 'jobs')?.[2] as Job[] | undefined
    return jobs?.map(({ state, fault }) => ({ state, fault }))
  }
  await expect.poll(ended, { timeout: 60_000 }).toEqual([{ state: 'done', fault: null }])
  await expect
    .poll(async () => (await shell.act('state')).blockers)
    .toEqual([{ kind: 'prevent-app-suspension', active: false }])
}, 90_000)

test('a crashed page is loaded again, three times', async () => {
  for (let count = 0; count < 6; count++) await shell.act('crash', 'crashed')
  expect((await shell.act('state')).windows[0]?.loads).toHaveLength(4)
})

test('the window is shown when ready; its place is remembered; quitting closes Lathe first', async () => {
  await shell.act('readyToShow')
  expect((await shell.act('state')).windows[0]?.shown).toBe(true)
  expect(await shell.act('closeWindow')).toBe(false)
  const remembered = { x: 10, y: 20, width: 1200, height: 800, maximized: false }
  expect(JSON.parse(readFileSync(join(shell.home, 'window.json'), 'utf8'))).toEqual(remembered)
  await shell.act('quit')
  await expect.poll(async () => (await shell.act('state')).exits, { timeout: 10_000 }).toEqual([0])
})

test('another instance goes at once, without a window', async () => {
  const second = await startShell(bundle, { lock: false })
  const { windows, quits, handlers } = await second.act('state')
  expect({ windows, quits, handlers }).toEqual({ windows: [], quits: 1, handlers: [] })
  await second.close()
})

test('a file named at the start is handed to the page once it listens; a release has no developer tools', async () => {
  const third = await startShell(bundle, { packaged: true }, [])
  expect((await third.act('state')).windows[0]?.options.webPreferences).toMatchObject({ devTools: false })
  await third.close()
  const fourth = await startShell(bundle, {}, [join(root, 'package.json')])
  expect((await fourth.act('state')).sent).toEqual([])
  await fourth.act('finishLoad')
  expect((await fourth.act('state')).sent).toEqual([
    ['lathe:event', 'open', { purpose: 'checkpoint', path: join(root, 'package.json') }],
  ])
  await fourth.close()
})

import { app, type BrowserWindow, preventable, record, session, windows, world } from './electron.ts'

// Runs the built main bundle on the double, in a process of its own, and plays the world as the test tells it to.

interface MenuItem {
  label?: string
  submenu?: MenuItem[]
  click?: () => void
}
const first = (): BrowserWindow => {
  const window = windows[0]
  if (!window) throw new Error('there is no window')
  return window
}
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20))

function itemOf(items: MenuItem[], labels: string[]): MenuItem {
  const [label, ...rest] = labels
  const item = items.find((each) => each.label === label)
  if (!item) throw new Error(`no menu item ${label}`)
  return rest.length === 0 ? item : itemOf(item.submenu ?? [], rest)
}

const acts = {
  state: () => ({
    ...record,
    schemeHandlers: [...record.schemeHandlers.keys()],
    handlers: [...record.handlers.keys()],
    windows: windows.map(({ options, loads, shown, focused }) => ({ options, loads, shown, focused })),
  }),
  world: (change: Partial<typeof world>) => void Object.assign(world, change),
  /** A call over the bridge's channel. `frame`: 'main' is the page's own frame, with `url` where given. */
  invoke: (channel: unknown, args: unknown, from: { url?: string; frame?: 'main' | 'inner' | 'gone' } = {}) => {
    const { webContents } = first()
    if (from.url !== undefined) webContents.mainFrame.url = from.url
    const inner = { url: webContents.mainFrame.url }
    const senderFrame = from.frame === 'gone' ? null : from.frame === 'inner' ? inner : webContents.mainFrame
    const handler = record.handlers.get('lathe:invoke')
    return handler?.({ sender: webContents, senderFrame }, channel, args)
  },
  /** Whether a navigation of the page was stopped. */
  navigate: (
    kind: 'will-frame-navigate' | 'will-redirect' | 'will-attach-webview',
    url: string,
    isMainFrame = true,
  ) => {
    const event = { ...preventable(), url, isMainFrame }
    first().webContents.emit(kind, event, {}, {})
    return event.defaultPrevented
  },
  newWindow: (url: string) => first().webContents.openHandler?.({ url }),
  /** Every answer to a permission asked for, requested and checked; devices and the screen last. */
  permissions: (names: string[], requestingUrl: string, isMainFrame: boolean) => {
    const { permissionRequest, permissionCheck, devicePermission, displayMedia } = session.defaultSession
    const granted: unknown[] = []
    const asked = { requestingUrl, isMainFrame }
    for (const name of names) {
      permissionRequest?.({}, name, (answer) => granted.push(answer), asked)
      granted.push(permissionCheck?.({}, name, requestingUrl, asked))
    }
    displayMedia?.({}, (streams) => granted.push(Object.keys(streams).length > 0))
    granted.push(devicePermission?.())
    return granted
  },
  isCancelled: (url: string) =>
    new Promise((resolve) => session.defaultSession.beforeRequest?.({ url }, ({ cancel }) => resolve(cancel))),
  isDownloadStopped: () => {
    const event = preventable()
    session.defaultSession.emit('will-download', event)
    return event.defaultPrevented
  },
  fetch: async (url: string, method = 'GET') => {
    const response = await record.schemeHandlers.get('lathe')?.(new Request(url, { method }))
    if (!response) throw new Error('no handler for lathe://')
    return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() }
  },
  click: async (...labels: string[]) => {
    itemOf(record.menus.at(-1) as MenuItem[], labels).click?.()
    await settle()
  },
  emitApp: async (name: string, ...args: unknown[]) => {
    app.emit(name, preventable(), ...args)
    await settle()
  },
  /** Whether closing the window was put off. */
  closeWindow: async () => {
    const event = preventable()
    first().emit('close', event)
    await settle()
    return event.defaultPrevented
  },
  readyToShow: () => void first().emit('ready-to-show'),
  crash: (reason: string) => void first().webContents.emit('render-process-gone', {}, { reason }),
  finishLoad: () => void first().webContents.emit('did-finish-load'),
  quit: async () => {
    app.quit()
    await settle()
  },
}
export type Acts = typeof acts

const { LATHE_TEST_BUNDLE: bundle, LATHE_TEST_WORLD: start } = process.env
if (!bundle) throw new Error('LATHE_TEST_BUNDLE is not set')
Object.assign(world, JSON.parse(start ?? '{}'))

process.on('message', async ({ id, name, args }: { id: number; name: keyof Acts; args: unknown[] }) => {
  try {
    const act = acts[name] as (...args: unknown[]) => unknown
    process.send?.({ id, result: (await act(...args)) ?? null })
  } catch (error) {
    process.send?.({ id, error: String(error) })
  }
})
process.on('disconnect', () => process.exit(0))
await import(bundle)
await settle()
process.send?.({ id: 0, result: 'ready' })

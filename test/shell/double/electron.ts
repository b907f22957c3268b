import { EventEmitter } from 'node:events'

// A double of the `electron` module: it keeps what the shell asks of Electron and lets a test play the rest of the world.
// It answers only what the shell uses; anything else is undefined and fails loudly.

export const record = {
  switches: [] as string[],
  schemes: [] as unknown[],
  sandboxed: false,
  locks: 0,
  quits: 0,
  exits: [] as number[],
  menus: [] as unknown[],
  opened: [] as string[],
  revealed: [] as string[],
  dialogs: [] as { kind: string; options: unknown }[],
  blockers: [] as { kind: string; active: boolean }[],
  sent: [] as unknown[][],
  schemeHandlers: new Map<string, (request: Request) => Promise<Response>>(),
  handlers: new Map<string, (event: unknown, ...args: unknown[]) => unknown>(),
}

/** What the world answers; a test changes it through control.ts. */
export const world = {
  lock: true,
  packaged: false,
  userData: '',
  displays: [{ id: 1, workArea: { x: 0, y: 0, width: 1920, height: 1040 } }],
  openDialog: { canceled: true, filePaths: [] as string[] },
  saveDialog: { canceled: true, filePath: '' },
  messageBox: { response: 1 },
}

class App extends EventEmitter {
  commandLine = { appendSwitch: (name: string) => void record.switches.push(name) }
  get isPackaged(): boolean {
    return world.packaged
  }
  enableSandbox(): void {
    record.sandboxed = true
  }
  requestSingleInstanceLock(): boolean {
    record.locks++
    return world.lock
  }
  whenReady = (): Promise<void> => Promise.resolve()
  getPath = (): string => world.userData
  getVersion = (): string => '0.0.0'
  exit = (code: number): void => void record.exits.push(code)
  quit(): void {
    record.quits++
    const event = preventable()
    this.emit('before-quit', event)
    if (!event.defaultPrevented) this.emit('will-quit', event)
  }
}

export interface Preventable {
  defaultPrevented: boolean
  preventDefault(): void
}
export const preventable = (): Preventable => ({
  defaultPrevented: false,
  preventDefault() {
    this.defaultPrevented = true
  },
})

export const app = new App()

class Contents extends EventEmitter {
  mainFrame = { url: '' }
  openHandler: ((details: { url: string }) => { action: string }) | null = null
  setWindowOpenHandler(handler: Contents['openHandler']): void {
    this.openHandler = handler
  }
  send(...message: unknown[]): void {
    record.sent.push(message)
  }
}

export const windows: BrowserWindow[] = []

export class BrowserWindow extends EventEmitter {
  webContents = new Contents()
  options: Record<string, unknown>
  shown = false
  focused = 0
  loads: string[] = []
  destroyed = false
  constructor(options: Record<string, unknown>) {
    super()
    this.options = options
    windows.push(this)
    app.emit('web-contents-created', {}, this.webContents)
    app.emit('browser-window-created', {}, this)
  }
  loadURL(url: string): Promise<void> {
    this.loads.push(url)
    this.webContents.mainFrame.url = url
    return Promise.resolve()
  }
  show(): void {
    this.shown = true
  }
  focus(): void {
    this.focused++
  }
  maximize(): void {}
  restore(): void {}
  isMinimized = (): boolean => false
  isMaximized = (): boolean => false
  isDestroyed = (): boolean => this.destroyed
  getNormalBounds = () => ({ x: 10, y: 20, width: 1200, height: 800 })
}

type Asked = { requestingUrl?: string; isMainFrame: boolean }

class Session extends EventEmitter {
  permissionRequest:
    ((contents: unknown, permission: string, decide: (granted: boolean) => void, asked: Asked) => void) | null = null
  permissionCheck: ((contents: unknown, permission: string, origin: string, asked: Asked) => boolean) | null = null
  devicePermission: (() => boolean) | null = null
  displayMedia: ((request: unknown, decide: (streams: object) => void) => void) | null = null
  beforeRequest: ((details: { url: string }, decide: (answer: { cancel: boolean }) => void) => void) | null = null
  protocol = {
    handle: (scheme: string, handler: (request: Request) => Promise<Response>) =>
      void record.schemeHandlers.set(scheme, handler),
  }
  webRequest = {
    onBeforeRequest: (handler: Session['beforeRequest']) => void (this.beforeRequest = handler),
  }
  setPermissionRequestHandler = (handler: Session['permissionRequest']) => void (this.permissionRequest = handler)
  setPermissionCheckHandler = (handler: Session['permissionCheck']) => void (this.permissionCheck = handler)
  setDevicePermissionHandler = (handler: Session['devicePermission']) => void (this.devicePermission = handler)
  setDisplayMediaRequestHandler = (handler: Session['displayMedia']) => void (this.displayMedia = handler)
}
export const session = { defaultSession: new Session() }

export const protocol = { registerSchemesAsPrivileged: (schemes: unknown[]) => void record.schemes.push(...schemes) }
export const ipcMain = {
  handle: (channel: string, handler: (event: unknown, ...args: unknown[]) => unknown) =>
    void record.handlers.set(channel, handler),
}
export const Menu = {
  buildFromTemplate: (template: unknown) => template,
  setApplicationMenu: (menu: unknown) => void record.menus.push(menu),
}
export const nativeTheme = { shouldUseDarkColors: true }
export const screen = { getPrimaryDisplay: () => world.displays[0], getAllDisplays: () => world.displays }
export const shell = {
  openExternal: async (url: string) => void record.opened.push(url),
  showItemInFolder: (path: string) => void record.revealed.push(path),
}
export const powerSaveBlocker = {
  start: (kind: string) => record.blockers.push({ kind, active: true }) - 1,
  stop(id: number) {
    const blocker = record.blockers[id]
    if (!blocker) throw new Error(`no blocker ${id}`)
    blocker.active = false
  },
}

/** Electron takes a window first or leaves it out. */
const asked = (kind: string, args: unknown[]) => void record.dialogs.push({ kind, options: args.at(-1) })
export const dialog = {
  async showOpenDialog(...args: unknown[]) {
    asked('open', args)
    return world.openDialog
  },
  async showSaveDialog(...args: unknown[]) {
    asked('save', args)
    return world.saveDialog
  },
  async showMessageBox(...args: unknown[]) {
    asked('message', args)
    return world.messageBox
  },
  showErrorBox: (title: string, content: string) => asked('error', [{ title, content }]),
}

import { join } from 'node:path'
import { app, BrowserWindow, nativeTheme, screen, type WebPreferences } from 'electron'
import type { Page } from './page.ts'
import { fitWindow, loadWindowState, saveWindowState, smallestWindow } from './window-state.ts'

const ground = { light: '#f6f6f4', dark: '#141517' }
const reloadsLimit = 3

/** Everything a page could be given, refused; written out so that no default of a later Electron changes it. */
export const webPreferences = (preload: string): WebPreferences => ({
  preload,
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
  spellcheck: false, // it would download dictionaries
  devTools: !app.isPackaged,
})

/** The one window. Its place is remembered; a crashed page is loaded again, a few times. */
export function openWindow(page: Page, preload: string): BrowserWindow {
  const stateFile = join(app.getPath('userData'), 'window.json')
  const state = loadWindowState(stateFile)
  const primary = screen.getPrimaryDisplay()
  const others = screen.getAllDisplays().filter((display) => display.id !== primary.id)
  const window = new BrowserWindow({
    ...fitWindow(
      state,
      [primary, ...others].map((display) => display.workArea),
    ),
    minWidth: smallestWindow.width,
    minHeight: smallestWindow.height,
    show: false,
    title: 'Lathe',
    backgroundColor: nativeTheme.shouldUseDarkColors ? ground.dark : ground.light,
    webPreferences: webPreferences(preload),
  })
  window.once('ready-to-show', () => {
    if (state?.maximized) window.maximize()
    window.show()
  })
  window.on('close', () => saveWindowState(stateFile, { ...window.getNormalBounds(), maximized: window.isMaximized() }))

  let reloads = 0
  window.webContents.on('render-process-gone', (_event, details) => {
    if (details.reason !== 'clean-exit' && reloads++ < reloadsLimit) void window.loadURL(page.url)
  })
  void window.loadURL(page.url)
  return window
}

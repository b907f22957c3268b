import { join } from 'node:path'
import { app, type BrowserWindow, dialog, Menu, session, shell } from 'electron'
import type { Job } from '../../src-preload/contract/job.ts'
import { createApp } from '../app/create.ts'
import { bindCalls } from './calls.ts'
import { createDialogs } from './dialogs.ts'
import { isDocumentation } from './documentation.ts'
import { menuTemplate } from './menu.ts'
import { openingFrom, openingOf, type Opening } from './opening.ts'
import { builtPage, developmentPage, type Page } from './page.ts'
import { createWakefulness } from './power.ts'
import { serveScheme } from './protocol.ts'
import { handleQuit } from './quit.ts'
import { lockContents, lockSession } from './security.ts'
import { openWindow } from './window.ts'

/** Beside the bundle: out/main, out/preload, out/renderer. */
const preload = join(import.meta.dirname, '../preload/index.cjs')
const rendererFolder = join(import.meta.dirname, '../renderer')

// Written in by the build: whether this is electron-vite's development run.
declare const LATHE_DEVELOPMENT: boolean

/** electron-vite's development server, unless this is a release build; a stray variable must not lead a release away. */
function currentPage(): Page {
  const address = LATHE_DEVELOPMENT ? process.env.ELECTRON_RENDERER_URL : undefined
  return (address ? developmentPage(address) : null) ?? builtPage
}

/** In development Electron's own arguments are the binary and the folder; packaged, the binary alone. */
const programArguments = (): number => (app.isPackaged ? 1 : 2)

/** Ties the shell to Lathe. Runs once, when Electron is ready. `early`: asked for before that (macOS). */
export function startShell(early: Opening | null): void {
  const page = currentPage()
  let window: BrowserWindow | null = null
  let jobs: readonly Job[] = []
  const dialogs = createDialogs(() => window)
  const lathe = createApp({ door: 'electron', dialogs })
  const setWakefulness = createWakefulness()

  app.on('web-contents-created', (_event, contents) => lockContents(contents, page))
  lockSession(session.defaultSession, page)
  serveScheme(session.defaultSession, rendererFolder)
  bindCalls(lathe.dispatch, page)

  const send = (event: string, snapshot: unknown): void => {
    if (window && !window.isDestroyed()) window.webContents.send('lathe:event', event, snapshot)
  }
  lathe.onEvent((event, snapshot) => {
    if (event === 'jobs') {
      jobs = snapshot as readonly Job[]
      setWakefulness(jobs)
    }
    send(event, snapshot)
  })

  const show = (opening: Opening | null): void => {
    if (window && !window.isDestroyed()) {
      if (window.isMinimized()) window.restore()
      window.focus()
      if (opening) send('open', opening)
      return
    }
    const created = openWindow(page, preload)
    window = created
    created.on('closed', () => {
      if (window === created) window = null
    })
    // The page listens once it has loaded; before that nobody would hear.
    if (opening) created.webContents.once('did-finish-load', () => send('open', opening))
  }
  const pick = (purpose: Opening['purpose']) => async (): Promise<void> => {
    const path = await dialogs.pick(purpose === 'convert' ? 'checkpoint' : purpose)
    if (path !== null) show({ purpose, path })
  }

  Menu.setApplicationMenu(
    Menu.buildFromTemplate(
      menuTemplate(process.platform, app.isPackaged, {
        openCheckpoint: () => void pick('checkpoint')(),
        openProject: () => void pick('project')(),
        convert: () => void pick('convert')(),
        openLink: (address) => void (isDocumentation(address) && shell.openExternal(address)),
        about: () =>
          void dialog.showMessageBox({
            message: 'Lathe',
            detail: `Version ${app.getVersion()}. Nothing leaves this machine.`,
          }),
      }),
    ),
  )
  handleQuit({
    isBusy: () => jobs.some((job) => job.state === 'running'),
    close: () => lathe.close(),
    window: () => window,
  })
  app.on('second-instance', (_event, args, folder) => show(openingFrom(args, programArguments(), folder)))
  app.on('open-file', (event, path) => {
    event.preventDefault()
    show(openingOf(path))
  })
  app.on('activate', () => show(null))
  show(early ?? openingFrom(process.argv, programArguments(), process.cwd()))
}

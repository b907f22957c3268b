import { app, dialog, type BrowserWindow } from 'electron'

const patienceMs = 10_000

export interface QuitOptions {
  /** Whether a job is running; asked again at each attempt. */
  isBusy(): boolean
  /** Ends engine and store. */
  close(): Promise<void>
  window(): BrowserWindow | null
}

const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref())

/**
 * Quits in order: asks while a job runs, then lets the engine end and the store close before the process goes.
 * An engine that does not end in ten seconds is left to its supervisor's last kill; the next start resumes.
 */
export function handleQuit({ isBusy, close, window }: QuitOptions): void {
  let agreed = false
  let asking = false
  let state: 'open' | 'closing' | 'closed' = 'open'

  const ask = async (): Promise<void> => {
    if (asking) return
    asking = true
    const parent = window()
    const question = {
      type: 'question' as const,
      message: 'A job is running.',
      detail: 'It stops at the last finished step and can be resumed at the next start.',
      buttons: ['Quit', 'Keep working'],
      defaultId: 1,
      cancelId: 1,
    }
    const { response } = await (parent ? dialog.showMessageBox(parent, question) : dialog.showMessageBox(question))
    asking = false
    if (response !== 0) return
    agreed = true
    app.quit()
  }

  const mayGo = (event: { preventDefault(): void }): void => {
    if (agreed || !isBusy()) return
    event.preventDefault()
    void ask()
  }

  app.on('before-quit', mayGo)
  app.on('browser-window-created', (_event, created) => {
    if (process.platform !== 'darwin') created.on('close', mayGo) // there the app lives on without a window
  })
  app.on('window-all-closed', () => {
    if (process.platform !== 'darwin') app.quit()
  })
  app.on('will-quit', (event) => {
    if (state === 'closed') return
    event.preventDefault()
    if (state === 'closing') return
    state = 'closing'
    void Promise.race([close().catch(() => undefined), after(patienceMs)]).then(() => {
      state = 'closed'
      app.exit(0)
    })
  })
}

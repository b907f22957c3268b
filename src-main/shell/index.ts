import { app, dialog, protocol } from 'electron'
import { openingOf, type Opening } from './opening.ts'
import { privilegedScheme } from './protocol.ts'
import { startShell } from './start.ts'

// What must stand before Electron is ready: sandbox, scheme, and that there is only one of us.
app.enableSandbox()
app.commandLine.appendSwitch('disable-background-networking')
protocol.registerSchemesAsPrivileged([privilegedScheme])

let early: Opening | null = null
const remember = (event: { preventDefault(): void }, path: string): void => {
  event.preventDefault()
  early = openingOf(path)
}
app.on('open-file', remember) // macOS names the file before it says that we are ready

if (!app.requestSingleInstanceLock()) app.quit()
else
  app
    .whenReady()
    .then(() => {
      app.off('open-file', remember)
      startShell(early)
    })
    .catch((error: unknown) => {
      dialog.showErrorBox('Lathe could not start', error instanceof Error ? error.message : String(error))
      app.exit(1)
    })

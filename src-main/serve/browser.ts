import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Whether a program is on the search path; asked before spawning, so that its absence is an answer and not an event. */
function onPath(program: string, environment: NodeJS.ProcessEnv): boolean {
  return (environment.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return folder !== ''
    } catch {
      return false
    }
  })
}

/** The command that opens a URL on this machine, or null where nobody would see it (no display, no opener). */
export function browserCommand(
  url: string,
  platform: NodeJS.Platform,
  environment: NodeJS.ProcessEnv,
): [string, ...string[]] | null {
  if (platform === 'darwin') return ['open', url]
  if (platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler', url] // `start` would need a shell
  const display = environment.DISPLAY || environment.WAYLAND_DISPLAY
  return display && onPath('xdg-open', environment) ? ['xdg-open', url] : null
}

/** Opens the person's browser; false where there is none to open. */
export function openBrowser(url: string, environment: NodeJS.ProcessEnv = process.env): boolean {
  const command = browserCommand(url, process.platform, environment)
  if (!command) return false
  const [program, ...args] = command
  const child = spawn(program, args, { detached: true, stdio: 'ignore' })
  child.on('error', () => undefined) // the URL is printed as well; nothing is lost
  child.unref()
  return true
}

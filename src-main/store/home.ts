import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

/** Where Lathe keeps what belongs to no project: LATHE_HOME, else the platform's place for application data. */
export function defaultHome(
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  if (env.LATHE_HOME) return resolve(env.LATHE_HOME)
  if (platform === 'win32') return join(env.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'lathe')
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'lathe')
  return join(env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'lathe')
}

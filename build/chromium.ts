// The browser of the end-to-end tests: found, installed where this is a root shell on Debian, or asked for.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

const places = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

export function findChromium(environment: NodeJS.ProcessEnv = process.env): string | null {
  const named = environment.LATHE_CHROMIUM
  if (named) return existsSync(named) ? named : null
  return places.find((path) => existsSync(path)) ?? null
}

/** Whether `apt-get` may be used: Debian itself (Ubuntu's chromium package is only a pointer to a snap), as root. */
export function canInstallChromium(osRelease: string, userId: number | undefined): boolean {
  return userId === 0 && /^ID=debian$/m.test(osRelease)
}

const osRelease = (): string => (existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '')

/** Path of a Chromium, or null and why there is none. */
export function provideChromium(say: (line: string) => void): { path: string | null; reason: string } {
  const found = findChromium()
  if (found) return { path: found, reason: '' }
  const named = process.env.LATHE_CHROMIUM
  if (named) return { path: null, reason: `LATHE_CHROMIUM names ${named}, which is not there` }
  if (!canInstallChromium(osRelease(), process.getuid?.()))
    return { path: null, reason: 'no Chromium here: install one, or name its program in LATHE_CHROMIUM' }
  say("Installing Debian's chromium for the end-to-end tests ...")
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'chromium']]) {
    const { status, stderr } = spawnSync('apt-get', args, {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
    })
    if (status !== 0)
      return { path: null, reason: `apt-get ${args.join(' ')} failed: ${stderr.trim().split('\n').at(-1)}` }
  }
  const installed = findChromium()
  return {
    path: installed,
    reason: installed ? '' : 'apt-get installed chromium, but its program is not where it should be',
  }
}

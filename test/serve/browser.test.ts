import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { browserCommand } from '../../src-main/serve/browser.ts'
import { serveInForeground } from '../../src-main/serve/foreground.ts'

const url = 'http://127.0.0.1:1/?token=t'

test('each system opens a URL by its own program; without a display nobody does', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lathe-browser-'))
  writeFileSync(join(folder, 'xdg-open'), '')
  chmodSync(join(folder, 'xdg-open'), 0o755)
  expect(browserCommand(url, 'darwin', {})).toEqual(['open', url])
  expect(browserCommand(url, 'win32', {})).toEqual(['rundll32', 'url.dll,FileProtocolHandler', url])
  expect(browserCommand(url, 'linux', { PATH: folder, DISPLAY: ':0' })).toEqual(['xdg-open', url])
  expect(browserCommand(url, 'linux', { PATH: folder })).toBeNull()
  expect(browserCommand(url, 'linux', { PATH: '/nowhere', DISPLAY: ':0' })).toBeNull()
  rmSync(folder, { recursive: true })
})

test('in the foreground: the link, a new one at each Enter, closed when stopped', async () => {
  const input = Object.assign(new PassThrough(), { isTTY: true })
  const output = new PassThrough()
  let links = 0
  const done: string[] = []
  let stop = (): void => undefined
  const stopped = new Promise<void>((resolve) => (stop = resolve))
  const server = {
    url,
    port: 1,
    opened: false,
    link: () => `link ${++links}`,
    close: async () => void done.push('closed'),
  }
  const ended = serveInForeground(server, { input, output, stopped })
  input.write('\n\n')
  await expect.poll(() => links).toBe(2)
  stop()
  await ended
  expect(done).toEqual(['closed'])
  const said = String(output.read())
  expect(said).toContain(url)
  expect(said).toContain('link 2')
})

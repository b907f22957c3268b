import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { _electron } from 'playwright-core'
import { expect, test } from 'vitest'
import { findElectron, hasDisplay } from '../../build/electron-binary.ts'
import { ensureBuilt } from '../../build/outputs.ts'

// The real thing, wherever Electron's program and a display are; elsewhere built-main.test.ts stands in on the double.
const root = join(import.meta.dirname, '../..')
const program = findElectron(root)
const reason =
  program === null ? 'no Electron program here' : hasDisplay(process.platform, process.env) ? '' : 'no display'

test.skipIf(reason !== '')(`opens the window in Electron${reason && ` (skipped: ${reason})`}`, async () => {
  ensureBuilt(root)
  const home = mkdtempSync(join(tmpdir(), 'lathe-electron-'))
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [] // Chromium refuses its sandbox to root
  const electron = await _electron.launch({
    executablePath: program ?? '',
    args: [...sandbox, `--user-data-dir=${home}`, root],
    env: { ...process.env, LATHE_HOME: join(home, 'lathe'), LATHE_NODE: process.execPath } as Record<string, string>,
  })
  try {
    const page = await electron.firstWindow()
    expect(page.url()).toBe('lathe://app/')
    expect(await page.title()).toBe('Lathe')
    const seen = await page.evaluate(`(async () => ({
      door: window.lathe.door,
      node: typeof require + typeof process,
      info: await window.lathe.invoke('app.info', {}),
    }))()`)
    expect(seen).toMatchObject({ door: 'electron', node: 'undefinedundefined', info: { ok: true } })
  } finally {
    await electron.close()
    rmSync(home, { recursive: true, force: true })
  }
})

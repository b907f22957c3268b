import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ensureBuilt } from '../../build/outputs.ts'
import { ask } from '../serve/house.ts'

const root = join(import.meta.dirname, '../..')

test.skipIf(process.platform !== 'linux')(
  '`npm start` without a display says so in one line, serves the bench and ends at Ctrl+C',
  async () => {
    ensureBuilt(root)
    const home = mkdtempSync(join(tmpdir(), 'lathe-start-'))
    const env = { ...process.env, LATHE_HOME: home, DISPLAY: '', WAYLAND_DISPLAY: '' }
    const child = spawn(process.execPath, [join(root, 'build/start.ts')], { env })
    let words = ''
    let errors = ''
    child.stdout.on('data', (chunk) => (words += String(chunk)))
    child.stderr.on('data', (chunk) => (errors += String(chunk)))
    const exit = new Promise((resolve) => child.once('exit', resolve))
    await expect.poll(() => words, { timeout: 30_000 }).toMatch(/token=[\w-]+\n/)
    expect(errors).toBe('There is no display for a desktop window; Lathe opens in the browser instead.\n')

    const url = new URL(/http:\S+/.exec(words)?.[0] ?? '')
    const entered = await ask(Number(url.port), url.search)
    expect(entered.status).toBe(303)
    const cookie = entered.headers['set-cookie']?.[0]?.split(';')[0] ?? ''
    const page = await ask(Number(url.port), '', { headers: { Cookie: cookie } })
    expect(page.body).toContain('<title>Lathe</title>')
    child.kill('SIGINT')
    expect(await exit).toBe(0)
    rmSync(home, { recursive: true })
  },
  120_000,
)

test.skipIf(process.platform !== 'linux')(
  '`npm start` gives Electron the project and a plain Node, and ends as it ends',
  () => {
    ensureBuilt(root)
    const home = mkdtempSync(join(tmpdir(), 'lathe-start-'))
    const electron = join(home, 'electron')
    writeFileSync(electron, '#!/bin/sh\necho "$1 $2 $LATHE_NODE"\n')
    chmodSync(electron, 0o755)
    const env = { ...process.env, LATHE_HOME: home, DISPLAY: ':77', ELECTRON: electron }
    const ended = spawnSync(process.execPath, [join(root, 'build/start.ts'), 'model.onnx'], { env, encoding: 'utf8' })
    expect(ended).toMatchObject({ status: 0, stdout: `${root} model.onnx ${process.execPath}\n` })
    rmSync(home, { recursive: true })
  },
  120_000,
)

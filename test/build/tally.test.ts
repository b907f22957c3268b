import { expect, test } from 'vitest'
import { canInstallChromium, findChromium } from '../../build/chromium.ts'
import { findElectron, hasDisplay } from '../../build/electron-binary.ts'
import { tally } from '../../build/tally.ts'

const report = (numbers: object, files: object[] = []): string =>
  JSON.stringify({ numPassedTests: 5, numFailedTests: 0, numPendingTests: 0, testResults: files, ...numbers })

test('the last line counts what Vitest counted', () => {
  expect(tally(report({}), 0)).toBe('5 passed, 0 failed')
  expect(tally(report({ numFailedTests: 2, numPendingTests: 1, numTodoTests: 1 }), 1)).toBe(
    '5 passed, 2 failed, 2 skipped',
  )
})

test('a file that did not load, an unhandled error and a crash are failures', () => {
  const broken = { status: 'failed', assertionResults: [] }
  const failing = { status: 'failed', assertionResults: [{ status: 'failed' }] }
  expect(tally(report({ numFailedTests: 1 }, [broken, failing]), 1)).toBe('5 passed, 2 failed')
  expect(tally(report({}), 1)).toBe('5 passed, 1 failed')
  expect(tally(null, 1)).toBe('0 passed, 1 failed')
  expect(tally('{}', 0)).toBe('0 passed, 1 failed')
})

test('chromium is installed on Debian as root only', () => {
  expect(canInstallChromium('NAME="Debian GNU/Linux"\nID=debian\n', 0)).toBe(true)
  expect(canInstallChromium('ID=debian\n', 1000)).toBe(false)
  expect(canInstallChromium('ID=ubuntu\nID_LIKE=debian\n', 0)).toBe(false)
  expect(canInstallChromium('', undefined)).toBe(false)
  expect(findChromium({ LATHE_CHROMIUM: '/nowhere/chromium' })).toBeNull()
})

test('Electron is looked for where it is named, a display where Linux names one', () => {
  expect(findElectron('/nowhere', {})).toBeNull()
  expect(findElectron('/nowhere', { ELECTRON: '/nowhere/electron' })).toBeNull()
  expect(findElectron('/nowhere', { ELECTRON: process.execPath })).toBe(process.execPath)
  expect(hasDisplay('linux', {})).toBe(false)
  expect(hasDisplay('linux', { WAYLAND_DISPLAY: 'wayland-0' })).toBe(true)
  expect(hasDisplay('darwin', {})).toBe(true)
})

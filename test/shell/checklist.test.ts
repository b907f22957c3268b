import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fuses } from '../../build/pack/fuses.ts'
import { contentSecurityPolicy } from '../../src-main/serve/headers.ts'
import { documentationHosts, isDocumentation } from '../../src-main/shell/documentation.ts'
import { developmentPage, isHome, isPage, builtPage } from '../../src-main/shell/page.ts'

// Electron's own security checklist, item by item, on the sources; test/shell/built-main.test.ts checks the same at work.
const root = join(import.meta.dirname, '../..')
const read = (pattern: string): Map<string, string> =>
  new Map(globSync(pattern, { cwd: root }).map((file) => [file, readFileSync(join(root, file), 'utf8')]))
const shell = read('src-main/shell/**/*.ts')
const preload = readFileSync(join(root, 'src-preload/index.ts'), 'utf8')
const everything = [...shell.values(), preload].join('\n')
/** Files of the shell in which a pattern occurs. */
const where = (pattern: RegExp): string[] =>
  [...shell]
    .filter(([, text]) => pattern.test(text))
    .map(([file]) => file.replaceAll('\\', '/').split('/').at(-1) ?? '')

const items: [string, () => void][] = [
  ['1 only secure content', () => expect(where(/loadURL\((?!page\.url\))/)).toEqual([])],
  ['2 no Node integration', () => expect(everything).not.toMatch(/nodeIntegration\w*: true/)],
  ['3 context isolation', () => expect(everything).toMatch(/contextIsolation: true/)],
  ['4 sandbox', () => expect(everything).toMatch(/app\.enableSandbox\(\)/)],
  ['5 permission requests', () => expect(where(/setPermissionRequestHandler/)).toEqual(['security.ts'])],
  ['6 web security', () => expect(everything).not.toMatch(/webSecurity: false/)],
  [
    '7 content security policy',
    () => expect(contentSecurityPolicy([])).toMatch(/^default-src 'none'; script-src 'self';/),
  ],
  ['8 no insecure content', () => expect(everything).toMatch(/allowRunningInsecureContent: false/)],
  ['9 no experimental features', () => expect(everything).toMatch(/experimentalFeatures: false/)],
  ['10 no blink features', () => expect(everything).not.toMatch(/enableBlinkFeatures/)],
  ['11 no popups from webviews', () => expect(everything).not.toMatch(/allowpopups/i)],
  ['12 webview options', () => expect(everything).toMatch(/webviewTag: false/)],
  ['13 navigation', () => expect(where(/will-frame-navigate/)).toEqual(['security.ts'])],
  ['14 new windows', () => expect(where(/setWindowOpenHandler/)).toEqual(['security.ts'])],
  ['15 openExternal', () => expect(where(/openExternal\(/).sort()).toEqual(['security.ts', 'start.ts'])],
  [
    '15 openExternal is asked about first',
    () => {
      for (const line of everything.split('\n').filter((each) => each.includes('openExternal(')))
        expect(line).toMatch(/isDocumentation\(\w+\)/)
    },
  ],
  ['16 a current Electron', () => expect(electronMajor()).toBeGreaterThanOrEqual(45)],
  ['17 senders', () => expect(where(/ipcMain\.(handle|on)\(/)).toEqual(['calls.ts'])],
  ['18 no file://', () => expect(everything).not.toMatch(/loadFile\(|file:\/\/(?!:| where)/)],
  ['19 fuses', () => expect(Object.keys(fuses)).toHaveLength(7)],
  ['20 no Electron API in the page', () => expect(preload).not.toMatch(/exposeInMainWorld\([^)]*ipcRenderer\b[,)]/)],
]

function electronMajor(): number {
  const file = readFileSync(join(root, 'node_modules/electron/package.json'), 'utf8')
  return Number((JSON.parse(file) as { version: string }).version.split('.')[0])
}

test.each(items)('checklist %s', (_name, check) => check())

test('fuses refuse what the desktop app does not need', () => {
  expect(fuses).toEqual({
    RunAsNode: false,
    EnableCookieEncryption: true,
    EnableNodeOptionsEnvironmentVariable: false,
    EnableNodeCliInspectArguments: false,
    EnableEmbeddedAsarIntegrityValidation: true,
    OnlyLoadAppFromAsar: true,
    GrantFileProtocolExtraPrivileges: false,
  })
})

test('the page loads no script text: no eval, no executeJavaScript, no remote module', () => {
  expect(everything).not.toMatch(/executeJavaScript|\beval\(|new Function|@electron\/remote/)
  expect(contentSecurityPolicy([])).not.toContain('unsafe-eval')
})

test('documentation is https on a listed host, nothing else', () => {
  for (const host of documentationHosts) expect(isDocumentation(`https://${host}/a?b#c`)).toBe(true)
  const bad = [
    '',
    'arxiv.org',
    'http://arxiv.org',
    'https://arxiv.org.',
    'https://arxiv.org@evil.example/',
    'https://www.arxiv.org/',
    'javascript:1',
  ]
  expect(bad.filter(isDocumentation)).toEqual([])
})

test('the development page is on the loopback address only', () => {
  expect(developmentPage('http://localhost:5173/')).toEqual({ url: 'http://localhost:5173/' })
  for (const address of ['http://evil.example/', 'https://localhost/', 'file:///x', ''])
    expect(developmentPage(address)).toBeNull()
  const page = developmentPage('http://localhost:5173/')
  expect(page && isHome(page, 'ws://localhost:5173/')).toBe(true)
  expect(page && isHome(page, 'http://localhost:5174/')).toBe(false)
  expect(isPage(builtPage, 'lathe://app/?a')).toBe(false)
})

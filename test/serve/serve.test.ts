import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer } from '../../src-main/serve/serve.ts'
import { ask, type House, openHouse } from './house.ts'

let house: House
let cookie = ''
beforeAll(async () => {
  house = await openHouse()
  cookie = await house.enter()
})
afterAll(() => house.close())

const get = (path: string, headers: Record<string, string> = { Cookie: cookie }) =>
  ask(house.server.port, '', { path, headers })

test('a link is exchanged once for a strict cookie, and the answer takes the token out of the address', async () => {
  const link = new URL(house.server.link())
  const first = await ask(house.server.port, link.search)
  expect(first.status).toBe(303)
  expect(first.headers.location).toBe('/')
  expect(first.headers['set-cookie']).toEqual([
    expect.stringMatching(/^lathe-\d+=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/),
  ])
  expect(first.headers['referrer-policy']).toBe('no-referrer')
  expect(JSON.stringify(first)).not.toContain(link.searchParams.get('token'))

  const second = await ask(house.server.port, link.search)
  expect(second.status).toBe(403)
  expect(second.headers['set-cookie']).toBeUndefined()
  expect(second.body).toContain('This link was used; start again')
  expect(second.body).toContain('prefers-color-scheme: dark')

  const again = await ask(house.server.port, link.search, { headers: { Cookie: cookie } })
  expect(again.status).toBe(303) // the same browser, from its history
})

test('each link works once, and only the last eight wait', async () => {
  const links = Array.from({ length: 10 }, () => new URL(house.server.link()).search)
  const statuses: number[] = []
  for (const search of links) statuses.push((await ask(house.server.port, search)).status)
  expect(statuses).toEqual([403, 403, ...Array.from({ length: 8 }, () => 303)])
})

test('serves the window with its headers, hashed assets to keep', async () => {
  const index = await get('/')
  expect(index.status).toBe(200)
  expect(index.body).toContain('<title>window</title>')
  expect(index.headers['content-type']).toBe('text/html; charset=utf-8')
  expect(index.headers['cache-control']).toBe('no-store')
  expect(index.headers['x-content-type-options']).toBe('nosniff')
  expect(index.headers['x-frame-options']).toBe('DENY')
  expect(index.headers['cross-origin-opener-policy']).toBe('same-origin')
  expect(index.headers['access-control-allow-origin']).toBeUndefined()
  const policy = index.headers['content-security-policy'] ?? ''
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain("script-src 'self';")
  expect(policy).toContain("frame-ancestors 'none'")
  expect(policy).toContain(`connect-src 'self' ws://127.0.0.1:${house.server.port};`)
  expect(policy).not.toContain('unsafe-eval')

  const asset = await get('/assets/index-B1_x-9.js')
  expect(asset.headers['content-type']).toBe('text/javascript; charset=utf-8')
  expect(asset.headers['cache-control']).toBe('private, max-age=31536000, immutable')
})

test('nothing outside the window is served', async () => {
  symlinkSync(join(house.folder, 'outside.html'), join(house.folder, 'out', 'link.html'))
  symlinkSync(house.folder, join(house.folder, 'out', 'assets', 'up'))
  const paths = [
    '/../outside.html',
    '/..%2foutside.html',
    '/%2e%2e/outside.html',
    '/%252e%252e/outside.html',
    '/assets/../../outside.html',
    '/assets/..%5c..%5coutside.html',
    '/assets/up/outside.html',
    '/link.html',
    '/.secret.html',
    '/notes.key',
    '/assets',
    '/assets/',
    '/index.html/',
    '/index.html%00.js',
    '/index.html::$DATA',
    '/C:/outside.html',
    '/%ff',
    '/nothing.js',
  ]
  const served: string[] = []
  for (const path of paths) if ((await get(path)).status !== 404) served.push(path)
  expect(served).toEqual([])
})

test('without the cookie there is only the locked page', async () => {
  for (const path of ['/', '/index.html', '/assets/index-B1_x-9.js', '/nothing.js']) {
    const response = await get(path, {})
    expect(response.status).toBe(403)
    expect(response.body).toContain('This link was used; start again')
  }
})

test('a taken port and a missing window are faults that say what to do', async () => {
  const app = { dispatch: () => Promise.reject(new Error('never called')), onEvent: () => () => undefined }
  const rendererFolder = join(house.folder, 'out')
  await expect(startServer({ app, rendererFolder, port: house.server.port })).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining(`Port ${house.server.port}`),
  })
  await expect(startServer({ app, rendererFolder: join(house.folder, 'none') })).rejects.toMatchObject({
    code: 'not-found',
    hint: 'Run `npm run build` first.',
  })
})

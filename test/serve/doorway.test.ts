import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, type House, openHouse, upgradeHeaders } from './house.ts'

// Host x Origin x token x method x upgrade x Sec-Fetch: every combination, by raw requests. The expectation is written
// down apart from the guard: a request gets in when each of its properties is the honest one.
let house: House
let cookie = ''
beforeAll(async () => {
  house = await openHouse()
  cookie = await house.enter()
})
afterAll(() => house.close())

interface Choice {
  name: string
  honest: boolean
  headers: (port: number) => Record<string, string>
}
const choice = (name: string, honest: boolean, headers: Choice['headers']): Choice => ({ name, honest, headers })

const hosts = [
  choice('own host', true, (port) => ({ Host: `127.0.0.1:${port}` })),
  choice('rebound name', false, (port) => ({ Host: `evil.example:${port}` })),
  choice('other port', false, () => ({ Host: '127.0.0.1:1' })),
  choice('own name as a prefix', false, (port) => ({ Host: `127.0.0.1:${port}.evil.example` })),
]
const origins = (upgrade: boolean) => [
  choice('own origin', true, (port) => ({ Origin: `http://127.0.0.1:${port}` })),
  choice('no origin', !upgrade, () => ({})),
  choice('null origin', false, () => ({ Origin: 'null' })),
  choice('foreign origin', false, () => ({ Origin: 'http://evil.example' })),
  choice('neighbour port', false, () => ({ Origin: 'http://127.0.0.1:1' })),
]
const fetchSites = (upgrade: boolean) => [
  choice('no fetch site', true, () => ({})),
  choice('same-origin', true, () => ({ 'Sec-Fetch-Site': 'same-origin' })),
  choice('none', !upgrade, () => ({ 'Sec-Fetch-Site': 'none' })),
  choice('same-site', false, () => ({ 'Sec-Fetch-Site': 'same-site' })),
  choice('cross-site', false, () => ({ 'Sec-Fetch-Site': 'cross-site' })),
]
const keys = [
  choice('cookie', true, () => ({ Cookie: `other=1; ${cookie}` })),
  choice('no cookie', false, () => ({})),
  choice('wrong cookie', false, () => ({ Cookie: cookie.replace(/=.*/, '=guess') })),
]
const ways = [
  { method: 'GET', upgrade: false, served: true },
  { method: 'HEAD', upgrade: false, served: true },
  { method: 'POST', upgrade: false, served: false },
  { method: 'OPTIONS', upgrade: false, served: false },
  { method: 'GET', upgrade: true, served: true },
  { method: 'POST', upgrade: true, served: false },
]

interface Case {
  way: (typeof ways)[number]
  choices: Choice[]
}
const cases: Case[] = ways.flatMap((way) =>
  hosts.flatMap((host) =>
    origins(way.upgrade).flatMap((origin) =>
      fetchSites(way.upgrade).flatMap((site) => keys.map((key) => ({ way, choices: [host, origin, site, key] }))),
    ),
  ),
)

test(`only the honest of ${cases.length} combinations get in`, async () => {
  const wrong: string[] = []
  let admitted = 0
  for (const { way, choices } of cases) {
    const headers = Object.assign({}, ...choices.map((each) => each.headers(house.server.port))) as Record<
      string,
      string
    >
    const { status } = await ask(house.server.port, '', {
      path: way.upgrade ? '/ws' : '/',
      method: way.method,
      headers: way.upgrade ? { ...headers, ...upgradeHeaders } : headers,
    })
    const honest = way.served && choices.every((each) => each.honest)
    const foreignHost = choices[0]?.honest === false
    const right = honest
      ? status === (way.upgrade ? 101 : 200)
      : foreignHost
        ? status === 403
        : status === 403 || status === 405
    if (honest) admitted++
    if (!right)
      wrong.push(`${way.method}${way.upgrade ? ' upgrade' : ''}, ${choices.map((c) => c.name).join(', ')}: ${status}`)
  }
  expect(wrong).toEqual([])
  expect(cases.length).toBeGreaterThanOrEqual(120)
  expect(admitted).toBe(2 * (2 * 3) + 2) // GET and HEAD: two origins x three fetch sites; upgrade: one origin x two
  expect(house.calls).toEqual([])
})

test('a token does not open the door from a foreign host, another site or through a wrong method, and stays unused', async () => {
  const { port } = house.server
  const { search } = new URL(house.server.link())
  const foreign: Record<string, string>[] = [
    { Host: `evil.example:${port}` },
    { Origin: 'http://evil.example' },
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Dest': 'iframe', 'Sec-Fetch-Site': 'none' },
  ]
  for (const headers of foreign) expect((await ask(port, search, { headers })).status).toBe(403)
  expect((await ask(port, search, { method: 'POST' })).status).toBe(405)
  expect((await ask(port, search, { method: 'HEAD' })).status).toBe(503)
  expect((await ask(port, search, { headers: { 'Sec-Purpose': 'prefetch;prerender' } })).status).toBe(503)
  expect((await ask(port, search)).status).toBe(303)
})

test('a doubled Host or Origin, an absolute address, a body and a long address are refused', async () => {
  const { port } = house.server
  const own = `127.0.0.1:${port}`
  const status = async (asked: Parameters<typeof ask>[2]) => (await ask(port, '', asked)).status
  const headers = { Cookie: cookie }
  expect(await status({ headers: { ...headers, Origin: [`http://${own}`, 'http://evil.example'] } })).toBe(403)
  expect(await status({ headers, path: `http://${own}/` })).toBe(400)
  expect(await status({ headers, path: '//evil.example/' })).toBe(400)
  expect(await status({ headers: { ...headers, 'Content-Length': '4' }, body: 'body' })).toBe(400)
  expect(await status({ headers: { ...headers, 'Transfer-Encoding': 'chunked' }, body: 'body' })).toBe(400)
  expect(await status({ headers, path: `/${'a'.repeat(3000)}` })).toBe(414)
})

test('localhost is an own name, and IPv6 answers by its own', async () => {
  const { port } = house.server
  expect((await ask(port, '', { headers: { Host: `localhost:${port}`, Cookie: cookie } })).status).toBe(200)
  const host = `[::1]:${port}`
  const sixth = await ask(port, '', { address: '::1', headers: { Host: host, Cookie: cookie } }).catch(() => null)
  if (sixth) expect(sixth.status).toBe(200)
  else expect((await ask(port, '', { headers: { Host: host, Cookie: cookie } })).status).toBe(403)
})

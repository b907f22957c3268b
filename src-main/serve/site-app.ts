import { Hono } from 'hono'
import { contentSecurityPolicy, securityHeaders } from './headers.ts'
import type { Keys } from './keys.ts'
import { lockedPage, pageHeaders } from './pages.ts'
import { readSiteFile } from './site.ts'

const immutable = 'private, max-age=31536000, immutable'

/** The web shell's plain HTTP side: exchange of the link's token for the cookie, and the window's files. */
export function createSiteApp(keys: Keys, rendererFolder: string): Hono {
  const site = new Hono()

  site.get('/', async (context, next) => {
    const token = context.req.query('token')
    if (token === undefined) return next()
    const known = keys.knows(context.req.header('cookie'))
    // A browser that loads an address before the person has chosen it must not use the link up; HEAD neither.
    const early = context.req.header('sec-purpose') !== undefined || context.req.method !== 'GET'
    if (early && !known) return context.text('Not yet.', 503, pageHeaders)
    const redeemed = keys.redeem(token)
    if (!redeemed && !known) return context.body(lockedPage, 403, pageHeaders)
    // The answer redirects, so that the token leaves the address bar.
    return context.body(null, 303, {
      ...pageHeaders,
      Location: '/',
      ...(redeemed ? { 'Set-Cookie': keys.cookie } : {}),
    })
  })

  site.get('*', async (context) => {
    if (!keys.knows(context.req.header('cookie'))) return context.body(lockedPage, 403, pageHeaders)
    const { host, pathname } = new URL(context.req.url)
    const file = await readSiteFile(rendererFolder, pathname)
    const headers = securityHeaders(contentSecurityPolicy([`ws://${host}`]))
    if (!file) return context.text('There is no such file.', 404, headers)
    return context.body(file.bytes, 200, {
      ...headers,
      'Content-Type': file.type,
      ...(file.immutable ? { 'Cache-Control': immutable } : {}),
    })
  })

  site.onError((error, context) =>
    context.text(`Lathe could not read its own window: ${error.message}`, 500, pageHeaders),
  )
  return site
}

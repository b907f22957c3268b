import type { CustomScheme, Session } from 'electron'
import { contentSecurityPolicy, securityHeaders } from '../serve/headers.ts'
import { readSiteFile } from '../serve/site.ts'
import { scheme, siteHost } from './page.ts'

/** Registered before the app is ready: a standard, secure origin, so that storage, modules and CSP work as on the web. */
export const privilegedScheme: CustomScheme = {
  scheme,
  privileges: { standard: true, secure: true, supportFetchAPI: true, codeCache: true },
}

/** Serves the built window, and nothing else, under lathe://app/. */
export function serveScheme(session: Session, rendererFolder: string): void {
  const headers = securityHeaders(contentSecurityPolicy([]))
  session.protocol.handle(scheme, async (request) => {
    const url = new URL(request.url)
    const isOurs = url.host === siteHost && request.method === 'GET'
    const file = isOurs ? await readSiteFile(rendererFolder, url.pathname) : null
    if (!file) return new Response('There is no such file.', { status: 404, headers })
    return new Response(file.bytes, { headers: { ...headers, 'Content-Type': file.type } })
  })
}

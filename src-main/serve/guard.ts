import type { IncomingMessage } from 'node:http'

/** What the guard looks at; `headersDistinct` because a doubled Host or Origin must not hide behind the first. */
export type Knock = Pick<IncomingMessage, 'method' | 'url' | 'headersDistinct'>

export interface Refusal {
  status: 400 | 403 | 405 | 414
  reason: string
}

const targetLimit = 2048

/** Browsers leave the port out where it is the scheme's own. */
const withPort = (name: string, port: number): string => (port === 80 ? name : `${name}:${port}`)

/** The Host values under which this server is meant to be reached. Anything else is a rebound DNS name or a proxy. */
export const ownHosts = (port: number, names: readonly string[]): ReadonlySet<string> =>
  new Set(names.map((name) => withPort(name, port)))

/**
 * Judges a request before anything else sees it: GET and upgrade alike, cookie or not. Null means it may go on.
 * Host must be one of our own, Origin (where sent, and always on an upgrade) must be that very host, and where the
 * browser says who started the request, it must have been the person or our own page.
 */
export function examine(knock: Knock, hosts: ReadonlySet<string>, upgrade: boolean): Refusal | null {
  const all = (name: string): string[] => knock.headersDistinct[name] ?? []
  const refuse = (status: Refusal['status'], reason: string): Refusal => ({ status, reason })

  const [host, ...moreHosts] = all('host')
  if (host === undefined || moreHosts.length > 0 || !hosts.has(host)) return refuse(403, 'This is not my host name.')

  const [origin, ...moreOrigins] = all('origin')
  if (moreOrigins.length > 0 || (origin !== undefined && origin !== `http://${host}`))
    return refuse(403, 'Another site asked.')
  if (upgrade && origin === undefined) return refuse(403, 'An upgrade must name its origin.')

  const sites = all('sec-fetch-site')
  const allowed = upgrade ? ['same-origin'] : ['same-origin', 'none']
  if (sites.length > 1 || sites.some((site) => !allowed.includes(site))) return refuse(403, 'Another site asked.')
  const embedders = ['iframe', 'frame', 'embed', 'object', 'fencedframe']
  if (all('sec-fetch-dest').some((destination) => embedders.includes(destination)))
    return refuse(403, 'Lathe is not shown inside other pages.')

  if (knock.method !== 'GET' && (upgrade || knock.method !== 'HEAD')) return refuse(405, 'Only GET is served.')
  if (all('transfer-encoding').length > 0 || all('content-length').some((length) => length !== '0'))
    return refuse(400, 'A request has no body here.')
  const target = knock.url ?? ''
  if (target.length > targetLimit) return refuse(414, 'The address is too long.')
  if (!target.startsWith('/') || target.startsWith('//')) return refuse(400, 'The address must be a path.')
  return null
}

import { readFile, realpath } from 'node:fs/promises'
import { extname, join } from 'node:path'

/** The only kinds of file the window consists of; nothing else is ever handed out. */
const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
}

export interface SiteFile {
  bytes: Uint8Array<ArrayBuffer>
  type: string
  immutable: boolean // its name holds a hash of its content
}

/** Names of a path's folders and file, or null where the path could mean anything but a plain file below the root. */
export function siteSegments(pathname: string): string[] | null {
  let decoded: string
  try {
    decoded = decodeURIComponent(pathname)
  } catch {
    return null
  }
  if (decoded === '/') return ['index.html']
  if (!decoded.startsWith('/') || !/^[\w./-]+$/.test(decoded)) return null
  const segments = decoded.slice(1).split('/')
  if (segments.some((segment) => segment === '' || segment.startsWith('.') || segment.endsWith('.'))) return null
  return segments
}

/** A file of the built window by URL path ('/' is index.html); null where there is none. Used by both doors. */
export async function readSiteFile(folder: string, pathname: string): Promise<SiteFile | null> {
  const segments = siteSegments(pathname)
  const name = segments?.at(-1)
  if (!segments || name === undefined) return null
  const type = types[extname(name).toLowerCase()]
  if (type === undefined) return null
  try {
    const root = await realpath(folder)
    const path = join(root, ...segments)
    if ((await realpath(path)) !== path) return null // a link inside the folder may lead out of it
    const bytes = new Uint8Array(await readFile(path))
    return { bytes, type, immutable: segments[0] === 'assets' && segments.length > 1 }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR' || code === 'ENAMETOOLONG') return null
    throw error
  }
}

/** Scheme of the window's own files: an origin of its own, unlike file:// where every file on the disk shares one. */
export const scheme = 'lathe'
export const siteHost = 'app'

/** Where the window lives: the built page, or electron-vite's server while developing. */
export interface Page {
  url: string
}

export const builtPage: Page = { url: `${scheme}://${siteHost}/` }

/** The development page; only on the loopback address, whatever the environment says. */
export function developmentPage(address: string): Page | null {
  const url = URL.parse(address)
  if (!url || url.protocol !== 'http:' || !['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)) return null
  return { url: url.href }
}

/** Whether an address is exactly our page; only the fragment, which never leaves it, may differ. */
export const isPage = (page: Page, address: string): boolean => address.split('#', 1)[0] === page.url

/** Whether a request stays at home: our own scheme, the development server, or no network at all. */
export function isHome(page: Page, address: string): boolean {
  const url = URL.parse(address)
  if (!url) return false
  if (['data:', 'blob:', 'devtools:'].includes(url.protocol)) return true
  const home = new URL(page.url)
  const socket = home.protocol === 'http:' ? 'ws:' : null
  return url.host === home.host && (url.protocol === home.protocol || url.protocol === socket)
}

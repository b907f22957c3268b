import { shell, type Session, type WebContents } from 'electron'
import { isDocumentation } from './documentation.ts'
import { isHome, isPage, type Page } from './page.ts'

/** The one thing our own page may do beyond showing itself: put text on the clipboard, as its copy buttons do. */
const mayUse = (page: Page, permission: string, address: string | undefined, isMainFrame: boolean): boolean =>
  permission === 'clipboard-sanitized-write' && isMainFrame && address !== undefined && isPage(page, address)

/** Denies the window every other permission and every request that would leave the machine. */
export function lockSession(session: Session, page: Page): void {
  session.setPermissionRequestHandler((_contents, permission, decide, { requestingUrl, isMainFrame }) =>
    decide(mayUse(page, permission, requestingUrl, isMainFrame)),
  )
  session.setPermissionCheckHandler((_contents, permission, _origin, { requestingUrl, isMainFrame }) =>
    mayUse(page, permission, requestingUrl, isMainFrame),
  )
  session.setDevicePermissionHandler(() => false)
  session.setDisplayMediaRequestHandler((_request, decide) => decide({}))
  session.webRequest.onBeforeRequest((details, decide) => decide({ cancel: !isHome(page, details.url) }))
  session.on('will-download', (event) => event.preventDefault())
}

/** Keeps a page where it is: no navigation, no new window, no webview. A documentation link opens in the browser. */
export function lockContents(contents: WebContents, page: Page): void {
  contents.on('will-frame-navigate', (event) => {
    if (!event.isMainFrame || !isPage(page, event.url)) event.preventDefault()
  })
  contents.on('will-redirect', (event) => event.preventDefault())
  contents.on('will-attach-webview', (event) => event.preventDefault())
  contents.setWindowOpenHandler(({ url }) => {
    if (isDocumentation(url)) void shell.openExternal(url)
    return { action: 'deny' }
  })
}

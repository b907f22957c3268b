import { createHash } from 'node:crypto'
import { securityHeaders } from './headers.ts'

const style = `
:root { color-scheme: light dark; --ground: #f6f6f4; --text: #1c1d1f; --soft: #5c6068; --line: #dcdcd8; --card: #fff }
@media (prefers-color-scheme: dark) {
  :root { --ground: #141517; --text: #ececea; --soft: #9a9ea6; --line: #2c2e32; --card: #1c1d20 }
}
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--ground); color: var(--text);
  font: 16px/1.55 system-ui, sans-serif }
main { max-width: 30rem; margin: 1.5rem; padding: 2rem 2.25rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 12px }
h1 { margin: 0 0 .75rem; font-size: 1.25rem }
p { margin: 0 0 .75rem } p:last-child { margin: 0; color: var(--soft) }
code { font: .9em ui-monospace, monospace; padding: .1em .35em; border: 1px solid var(--line); border-radius: 5px }
`
const styleHash = createHash('sha256').update(style).digest('base64')
const policy = `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

const page = (title: string, ...paragraphs: string[]): string => `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title} · Lathe</title>
<style>${style}</style></head>
<body><main><h1>${title}</h1>${paragraphs.map((text) => `<p>${text}</p>`).join('')}</main></body>
</html>
`

/** Shown where someone knocks without the cookie: a used link, a bookmark, a second browser. */
export const lockedPage = page(
  'This link was used; start again',
  'A Lathe link opens one browser, once. This browser is not the one it opened, or Lathe was started anew since.',
  'Press <code>Enter</code> in the terminal where Lathe runs to get a new link, or stop it and start it again.',
)

/** Shown where another page led here: only the person may open Lathe. */
export const strangerPage = page(
  'Open this link yourself',
  'Another page or program asked for this address, so Lathe did not answer.',
  'Copy the link from the terminal into the address bar.',
)

export const pageHeaders: Record<string, string> = {
  ...securityHeaders(policy),
  'Content-Type': 'text/html; charset=utf-8',
}

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

const secret = (): string => randomBytes(32).toString('base64url')
const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Equal or not, in a time that depends on neither text: digests have one length. */
const same = (a: Buffer, b: Buffer): boolean => timingSafeEqual(a, b)

/** Every value a Cookie header gives for one name; a neighbour on another port may have planted its own. */
function cookieValues(header: string, name: string): string[] {
  return header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1))
}

/** Who may come in: one-time link tokens, each exchanged once for the session's cookie. Only digests are kept. */
export interface Keys {
  /** A new token; at most eight unused ones are valid, the oldest is dropped. */
  mint(): string
  /** True once per token. */
  redeem(token: string): boolean
  /** Whether a Cookie header carries the session. */
  knows(cookieHeader: string | undefined): boolean
  /** Value of Set-Cookie: unreadable for scripts, never sent along from another site, gone with the browser. */
  cookie: string
}

const unusedTokensLimit = 8

/** Cookies ignore the port, so the name carries it: two servers on one machine do not overwrite each other. */
export function createKeys(port: number): Keys {
  const name = `lathe-${port}`
  const session = secret()
  const sessionDigest = digest(session)
  const unused: Buffer[] = []
  return {
    cookie: `${name}=${session}; Path=/; HttpOnly; SameSite=Strict`,
    mint() {
      const token = secret()
      unused.push(digest(token))
      if (unused.length > unusedTokensLimit) unused.shift()
      return token
    },
    redeem(token) {
      const found = digest(token)
      let at = -1
      unused.forEach((known, index) => {
        if (same(known, found)) at = index
      })
      if (at >= 0) unused.splice(at, 1)
      return at >= 0
    },
    knows: (header) => cookieValues(header ?? '', name).some((value) => same(digest(value), sessionDigest)),
  }
}

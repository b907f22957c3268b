// Text that comes from a checkpoint, made harmless inside Markdown: names may hold HTML, links, table bars or line ends.
// CommonMark 0.31, sections 2.4 (backslash escapes) and 2.5 (entities).

const LONGEST = 200

/** One line of plain text. Control and direction-changing characters become blanks. */
export function plain(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu, ' ').trim()
  return line.length > LONGEST ? `${line.slice(0, LONGEST - 1).trimEnd()}…`.toWellFormed() : line
}

/** Text inside a line: every character that means something in Markdown or HTML is escaped, and what would become a link by
 *  itself (GFM, section 6.9) does not. */
export const escape = (text: string): string =>
  plain(text)
    .replaceAll(/[\\`*_{}[\]|~^$@]/g, String.raw`\$&`)
    .replaceAll(/(?<=:)\/\//g, String.raw`\/\/`)
    .replaceAll(/www(?=\.)/gi, (start) => `${start}\\`)
    .replace(/^(\d+)(?=[.)](\s|$))/, '$1\\')
    .replace(/^(?=(#+|[+-])(\s|$)|[-=]{2})/, '\\')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')

/** A quoted YAML scalar (a JSON string is one). Readers that know no YAML head show it as Markdown: nothing in it is. */
export const yamlText = (text: string): string =>
  JSON.stringify(plain(text)).replaceAll(
    /[<>[\]`*_]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

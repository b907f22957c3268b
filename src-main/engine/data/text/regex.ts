// Patterns in a tokenizer file are a stranger's. Backtracking time explodes where a repeated group can match the same text
// in several ways: (a+)+, (a|a)*, (\w+\s?)*. Such groups are refused; no tokenizer in use needs them.
//   Davis et al. 2018, "The Impact of Regular Expression Denial of Service (ReDoS) in Practice": nested quantifiers,
//   quantified disjunctions.

const longestPattern = 20_000

interface Group {
  risky: boolean // holds an unbounded repeat or a choice
}

/** Skips a character class, which may hold others (Oniguruma); returns the index after its closing bracket. */
function afterClass(pattern: string, start: number): number {
  let depth = 0
  for (let at = start; at < pattern.length; at++) {
    const char = pattern[at]
    if (char === '\\') at++
    else if (char === '[') {
      depth++
      if (pattern[at + 1] === '^') at++
      if (pattern[at + 1] === ']') at++
    } else if (char === ']' && --depth === 0) return at + 1
  }
  return pattern.length
}

/** The repeat at `at`: how long it is, and whether it has no upper bound (or one so large that it makes no difference). */
function repeatAt(pattern: string, at: number): { length: number; unbounded: boolean } | null {
  const match = /^(?:[*+?]|\{(\d*)(,?)(\d*)\})[?+]?/.exec(pattern.slice(at, at + 40))
  if (!match) return null
  const [text, low, comma, high] = match
  if (text.startsWith('{') && low === '' && high === '') return null
  const most = comma === '' ? Number(low) : high === '' ? Number.POSITIVE_INFINITY : Number(high)
  const unbounded = text.startsWith('{') ? most > 100 : !text.startsWith('?')
  return { length: text.length, unbounded }
}

/** Why a pattern is refused, or null where it is harmless enough to run under a time limit. */
export function suspicion(pattern: string): string | null {
  if (pattern.length > longestPattern) return `is ${pattern.length} characters long (at most ${longestPattern})`
  const open: Group[] = [{ risky: false }]
  let at = 0
  while (at < pattern.length) {
    const top = open.at(-1)
    if (!top) return 'closes a group it never opened'
    const char = pattern[at]
    let group: Group | null = null
    if (char === '\\') {
      if (/[1-9k]/.test(pattern[at + 1] ?? '')) return `refers back to a group at character ${at}`
      at += 2
    } else if (char === '[') at = afterClass(pattern, at)
    else if (char === '(') {
      const lookbehind = /^\(\?<[=!]/.test(pattern.slice(at, at + 4))
      if (lookbehind) return `looks behind at character ${at}`
      open.push({ risky: false })
      at++
      continue
    } else if (char === ')') {
      group = open.pop() ?? null
      if (open.length === 0) return 'closes a group it never opened'
      at++
    } else if (char === '|') {
      top.risky = true
      at++
      continue
    } else at++
    const outer = open.at(-1)
    const repeat = repeatAt(pattern, at)
    if (repeat?.unbounded && group?.risky)
      return `repeats a group that itself repeats or chooses, before character ${at}`
    if (outer && (repeat?.unbounded || group?.risky)) outer.risky ||= open.length > 1
    at += repeat?.length ?? 0
  }
  return open.length === 1 ? null : 'leaves a group open'
}

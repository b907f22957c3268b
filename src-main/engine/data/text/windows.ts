import { badData } from '../files.ts'

/** Where one window lies in the token stream. Its tokens follow the begin token, if there is one. */
export interface Window {
  start: number
  length: number
}

export interface Windows {
  tokens: Int32Array
  windows: Window[]
  dropped: number // tokens left out because their window was too short
}

/** Pieces of a text: cut at the separator, newlines stripped at both ends, empty ones left out. */
export const cutDocuments = (text: string, separator: string | undefined): string[] =>
  (separator === undefined ? [text] : text.split(separator))
    .map((piece) => piece.replace(/^[\r\n]+|[\r\n]+$/g, ''))
    .filter((piece) => piece !== '')

const fewest = 2

/**
 * Windows of `size` tokens without overlap inside each piece, the last one shorter; one with fewer than 2 tokens is dropped.
 * With a begin token, size = context - 1 and every token is predicted; without one, size = context and the first is not.
 */
export function cutWindows(pieces: readonly (readonly number[])[], size: number): Windows {
  const tokens = Int32Array.from(pieces.flat())
  const windows: Window[] = []
  let dropped = 0
  let start = 0
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += size) {
      const length = Math.min(size, piece.length - at)
      if (length < fewest) dropped += length
      else windows.push({ start: start + at, length })
    }
    start += piece.length
  }
  return { tokens, windows, dropped }
}

/** Faults where a token is not one of the network's. */
export function checkTokens(pieces: readonly (readonly number[])[], vocabulary: number | null, file: string): void {
  for (const [index, piece] of pieces.entries())
    for (const token of piece)
      if (!Number.isInteger(token) || token < 0 || (vocabulary !== null && token >= vocabulary))
        throw badData(file, `document ${index}: token ${token} is outside the network's vocabulary`, {
          hint: 'This tokenizer does not belong to this checkpoint.',
          data: { field: `document ${index}`, expected: `0 to ${(vocabulary ?? 0) - 1}`, found: String(token) },
        })
}

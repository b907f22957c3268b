import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Makes the input of one case in an empty folder and returns the path to open. */
export type Make = (folder: string) => string

/** A case that is one file. */
export const file =
  (name: string, content: string | Uint8Array | (() => string | Uint8Array)): Make =>
  (folder) => {
    const path = join(folder, name)
    writeFileSync(path, typeof content === 'function' ? content() : content)
    return path
  }

/** A case that is a folder of files; names may hold folders. */
export const files =
  (content: Record<string, string | Uint8Array>, more?: (folder: string) => void): Make =>
  (folder) => {
    for (const [name, bytes] of Object.entries(content)) {
      if (name.includes('/')) mkdirSync(join(folder, name, '..'), { recursive: true })
      writeFileSync(join(folder, name), bytes)
    }
    more?.(folder)
    return folder
  }

/** Seeded bytes: x -> 1664525 x + 1013904223 mod 2^32, upper eight bits. */
export function noise(length: number, seed = 1): Uint8Array {
  let state = seed
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0
    return state >>> 24
  })
}

export const lfsPointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'ab'.repeat(32)}\nsize 123456789\n`

/** This machine cannot make the case; the reason is printed and the case skipped. */
export class CannotMake extends Error {}

/** What must be taken back before the cases' folders can go. */
export const undo: (() => void)[] = []

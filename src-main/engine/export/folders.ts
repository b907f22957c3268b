import { mkdirSync, rmdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Makes a folder and what is missing above it; returns what was made, outermost first. One level at a time: Node's own
 *  recursive form never returns where a file system like /proc says that nothing can be made. */
export function makeFolders(folder: string): string[] {
  const missing: string[] = []
  for (let each = folder; statSync(each, { throwIfNoEntry: false }) === undefined; each = dirname(each)) {
    missing.unshift(each)
    if (dirname(each) === each) break
  }
  const made: string[] = []
  try {
    for (const each of missing) {
      mkdirSync(each)
      made.push(each)
    }
    return made
  } catch (error) {
    removeFolders(made)
    throw error
  }
}

/** Removes folders that were made, innermost first, as long as nothing else lies in them. */
export function removeFolders(made: readonly string[]): void {
  for (const each of made.toReversed())
    try {
      rmdirSync(each)
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      if (code === 'ENOTEMPTY' || code === 'EEXIST') return
      if (code !== 'ENOENT') throw error
    }
}

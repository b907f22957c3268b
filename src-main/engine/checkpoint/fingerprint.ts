// Identity of a checkpoint for caches and resuming: sha256 over the names, sizes and content of its files. Files up to
// 4 MiB count whole. Of larger ones count the first 1 MiB (headers), the last 64 KiB and 256 spots of 4 KiB spread evenly:
// a different model never has the same fingerprint by accident, but an edit of a few bytes between the spots is not seen.
import { createHash } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { SourceFile } from './file.ts'

const wholeBytes = 4 << 20
const headBytes = 1 << 20
const tailBytes = 64 << 10
const spotBytes = 4 << 10
const spots = 256

/** sha256, hex. `folder`: names count relative to it, so that a moved checkpoint keeps its fingerprint. */
export function fingerprintOf(paths: readonly string[], folder: string): string {
  const hash = createHash('sha256').update('lathe checkpoint 1\n')
  const root = realpathSync(folder)
  const named = paths.map((path) => {
    const name = relative(root, join(realpathSync(dirname(path)), basename(path))).replaceAll('\\', '/')
    return { path, name: name.startsWith('../') ? basename(path) : name } // outside: the blob store of a cache
  })
  named.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const { path, name } of named) {
    const file = new SourceFile(path)
    try {
      hash.update(`${JSON.stringify(name)} ${file.size}\n`)
      for (const [begin, end] of sampledRanges(file.size)) hash.update(file.read(begin, end))
    } finally {
      file.close()
    }
  }
  return hash.digest('hex')
}

/** Byte ranges of a file that count. */
export function sampledRanges(size: number): [number, number][] {
  if (size <= wholeBytes) return [[0, size]]
  const ranges: [number, number][] = [[0, headBytes]]
  const room = size - headBytes - tailBytes - spotBytes
  for (let spot = 0; spot < spots; spot++) {
    const begin = headBytes + Math.floor((room * spot) / (spots - 1))
    ranges.push([begin, begin + spotBytes])
  }
  ranges.push([size - tailBytes, size])
  return ranges
}

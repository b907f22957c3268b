// Memory that this process holds in the machine's RAM, and the most it has held.
import { readFileSync, writeFileSync } from 'node:fs'

/** Of /proc/self/status (Linux), in bytes; null elsewhere. VmRSS: held now, VmHWM: held at most since it was set back. */
function status(): { now: number; most: number } | null {
  try {
    const text = readFileSync('/proc/self/status', 'latin1')
    const field = (name: string): number => 1024 * Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1])
    const [now, most] = [field('VmRSS'), field('VmHWM')]
    return now > 0 && most > 0 ? { now, most } : null
  } catch {
    return null
  }
}

const resident = (): number => status()?.now ?? process.memoryUsage.rss()

/** Begins to watch how much more this process holds than now. */
export interface PeakMeter {
  /** Looks at what is held at this moment: all there is where the system keeps no mark that can be set back. */
  look(): void
  /** Bytes at the peak since the meter was made, over what was held then. */
  peak(): number
}

/** Linux keeps a high-water mark; writing 5 to clear_refs sets it back to what is held now (proc(5)), so nothing between two
 *  looks is missed. Elsewhere, and where that is not allowed, the largest of the looks counts. */
export function peakMeter(): PeakMeter {
  try {
    writeFileSync('/proc/self/clear_refs', '5')
  } catch {
    // no such file, or not for us: the mark shows below whether it can be used
  }
  const before = status()
  // A mark that lies well above what is held was not set back: it tells of something older.
  const marked = before !== null && before.most <= before.now * 1.02 + 2 ** 20
  const start = before?.now ?? resident()
  let most = start
  const look = (): void => {
    most = Math.max(most, resident(), marked ? (status()?.most ?? 0) : 0)
  }
  return {
    look,
    peak(): number {
      look()
      return most - start
    },
  }
}

import { availableParallelism, cpus, loadavg } from 'node:os'

export interface Row {
  name: string
  unit: string
  min: number
  median: number
  max: number
  limit?: number // what was promised, in the unit
}

export interface Contender {
  name: string
  run: (round: number) => unknown
  /** What one call does, for a rate: 'GB/s' over bytes. Without it the row is in milliseconds. */
  bytes?: number
  limitMs?: number
}

/** Contenders take turns, so that what else the machine does hits all of them; medians over rounds. */
export function sideBySide(contenders: Contender[], rounds: number): Row[] {
  const times = contenders.map(() => [] as number[])
  for (const contender of contenders) contender.run(0) // warm-up, not counted
  for (let round = 0; round < rounds; round++)
    contenders.forEach((contender, i) => {
      const began = performance.now()
      contender.run(round)
      times[i]?.push(performance.now() - began)
    })
  return contenders.map(({ name, bytes, limitMs }, i) => {
    const sorted = (times[i] ?? []).toSorted((a, b) => a - b)
    const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? NaN
    if (bytes === undefined)
      return { name, unit: 'ms', min: at(0), median: at(0.5), max: at(1), ...(limitMs ? { limit: limitMs } : {}) }
    const rate = (ms: number) => bytes / ms / 1e6
    return { name, unit: 'GB/s', min: rate(at(1)), median: rate(at(0.5)), max: rate(at(0)) }
  })
}

export function machine(): string {
  const [load = 0] = loadavg()
  return `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${availableParallelism()} cores, load ${load.toFixed(1)}, Node ${process.version}`
}

/** Each row against the first of its table. */
export function printTable(title: string, rows: Row[]): void {
  const [first] = rows
  const number = (value: number) => value.toPrecision(3).padStart(9)
  console.log(`\n${title}`)
  for (const { name, unit, min, median, max, limit } of rows) {
    const rate = unit === 'GB/s'
    const ratio = first === undefined ? 1 : rate ? median / first.median : first.median / median
    const verdict = limit === undefined ? '' : `  limit ${limit} ${median <= limit ? 'kept' : 'MISSED'}`
    console.log(
      `  ${name.padEnd(38)} min ${number(min)}  median ${number(median)}  max ${number(max)} ${unit.padEnd(4)}` +
        `  x ${ratio.toPrecision(3)}${verdict}`,
    )
  }
}

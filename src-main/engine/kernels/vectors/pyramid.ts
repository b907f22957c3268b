// The pyramid of integer points with sum |p| = K in d dimensions (Fischer 1986): how many there are, and what a group of
// `bits` bits holds of them.

/** N(d, k) for all d <= dims, k <= pulses: [dims + 1][pulses + 1]. */
export function pyramidTable(dims: number, pulses: number): bigint[][] {
  const table: bigint[][] = [[1n, ...Array<bigint>(pulses).fill(0n)]]
  for (let d = 1; d <= dims; d++) {
    const above = table[d - 1] ?? []
    const row = [1n]
    for (let k = 1; k <= pulses; k++) row.push((above[k] ?? 0n) + (row[k - 1] ?? 0n) + (above[k - 1] ?? 0n))
    table.push(row)
  }
  return table
}

/** Points of the pyramid. */
export const pyramidSize = (dims: number, pulses: number): bigint => pyramidTable(dims, pulses)[dims]?.[pulses] ?? 0n

export const MAX_DIMS = 64
export const MAX_PULSES = 127
export const MAX_BITS = 256
export const MAX_LEVELS = 256

/** Gains that share a group of `bits` bits with the points: floor(2^bits / N), 256 at most. */
export const levelsOf = (dims: number, pulses: number, bits: number): number => {
  const count = (1n << BigInt(bits)) / pyramidSize(dims, pulses)
  return Number(count > BigInt(MAX_LEVELS) ? BigInt(MAX_LEVELS) : count)
}

/** N and its multiples as the kernel reads them: words of 64 bits, low first. */
export interface IndexTables {
  limbs: number
  table: BigUint64Array // [dims + 1, pulses + 1, limbs]
  steps: BigUint64Array // [levels, limbs]: level * N
}

export function indexTables(dims: number, pulses: number, bits: number, levels: number): IndexTables {
  const limbs = Math.ceil(bits / 64)
  const table = pyramidTable(dims, pulses)
  const size = table[dims]?.[pulses] ?? 0n
  const words = (numbers: bigint[]): BigUint64Array =>
    BigUint64Array.from(
      numbers.flatMap((n) => Array.from({ length: limbs }, (_, i) => BigInt.asUintN(64, n >> BigInt(64 * i)))),
    )
  return { limbs, table: words(table.flat()), steps: words(Array.from({ length: levels }, (_, i) => size * BigInt(i))) }
}
